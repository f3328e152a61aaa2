"""Every figure that the project claims can be measured; here at a small scale.

What does not depend on the machine's speed is held to its claim; speeds are only measured.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks import Skipped, data_folder
from benchmarks.__main__ import names

Figures = dict[str, Any]


def _app_downloads(figures: Figures) -> None:
    for kind in ("bundle", "dataset"):
        assert figures[kind]["server_mb_grown"] < 50
        assert figures[kind]["cut"]["times"] >= 5 and figures[kind]["cut"]["right"]


def _app_kills(figures: Figures) -> None:
    found = figures["sqlite"]
    assert found["ended"] == {"done": found["runs"]} and found["mails"] == found["runs"]
    assert sum(found["kills"].values()) == 2
    assert found["finished_steps_taken_again"] == 0
    assert found["most_begun_beyond_cuts"] <= 0
    assert found["mails_that_came_twice"] == 0 and found["events_without_gap"]


def _app_takeover(figures: Figures) -> None:
    assert figures["sqlite, one machine"]["trials"] == 1


def _app_load(figures: Figures) -> None:
    for name in ("calm", "while_two_flood"):
        assert figures[name]["answers"] > 0 and figures[name]["other_statuses"] == {}
    assert figures["messages_to_live_pages"] > 0
    # How long the others wait is the machine's affair; that all are answered is ours.
    assert figures["the_two"]["asked"] > figures["calm"]["answers"]


def _app_start(figures: Figures) -> None:
    assert figures["starts"] == 1
    assert figures["page_kb"] > 2


def _browser_source(figures: Figures) -> None:
    assert figures["found"] == figures["pictures"] and figures["wrong"] == 0
    assert figures["all_found_in_order"]
    for leak in ("connections_to_what_is_closed", "requests_not_made_by_us"):
        assert figures[leak] == 0


def _budget(figures: Figures) -> None:
    killed = figures["killed"]
    assert killed["verified_bundles"] == 1
    assert killed["of_the_last_rung_kept"] == 1


def _cassette(figures: Figures) -> None:
    assert figures["same_bundle"] and figures["same_ledger"]
    assert figures["requests_recorded"] > 0 == figures["requests_replayed"]
    assert figures["statuses"]["failed"] and figures["statuses"]["refused"]


def _collect_hosts(figures: Figures) -> None:
    assert figures["complete"] and figures["requests_in_a_pause"] == 0
    assert figures["most_at_once_at_a_host"] <= figures["stated_at_once"]
    most = figures["most_requests_for_an_offered_picture"]
    assert most <= figures["stated_for_a_picture"]


def _collecting(figures: Figures) -> None:
    assert figures["complete_rows"] == figures["pictures"] == figures["requests_for_pictures"]


def _large_sets(figures: Figures) -> None:
    found = figures["claims"]
    # Rates and shares depend on the machine's other work; at full scale they are measured. So few
    # pictures are read again in less time than a step needs to begin.
    assert found["pictures"] == 15_000 and found["listed"] == 15_150
    assert found["copies_found"] == 1.0
    assert found["peak_mb"] < 1000
    assert found["again_share"] < 0.2
    assert found["nothing_new_share"] < 0.15 and found["redecide_share"] < 0.15
    # Each with each would be 16 times as much for 4 times the codes.
    assert found["near_growth"] < 12


def _curation(figures: Figures) -> None:
    planted = figures["planted"]
    for fault in ("exact_duplicate", "near_duplicate", "foreign"):
        assert planted[fault]["precision"] >= 0.9
        assert planted[fault]["recall"] >= 0.9
    assert planted["mislabelled"]["precision"] >= 0.9


def _export_parity(figures: Figures) -> None:
    worst = figures["all"]
    for name in ("onnxruntime", "openvino", "mlpackage fp32", "mlmodel"):
        assert worst["top1"][name] == 1.0
        assert worst["max_difference"][name] <= 1e-3
    assert all(one["likeliest_class"]["mean"] < 0.99 for one in figures["timm"].values())


def _faces_count(figures: Figures) -> None:
    assert figures["congress_faces"]["share"] == 1
    assert not figures["photos_misc"]["wrong"] and not figures["airplanes"]["false"]


def _faces_rotated(figures: Figures) -> None:
    turned = figures["portraits_turned"]
    assert turned["found"] == turned["upright"] == turned["copies"]
    assert figures["photographs_turned"]["share"] >= 0.9


def _faces_sex_age(figures: Figures) -> None:
    assert figures["sex"]["share"] >= 0.96
    # A stated error that means nothing would hold about all or few of them.
    assert 0.4 <= figures["age_below_50"]["within_one_error"] <= 0.95


def _familiarity(figures: Figures) -> None:
    for name in ("trashnet_100, far-foreign", "grocery_10 (official split), far-foreign"):
        assert figures[name]["foreign pictures refused"] >= 0.95
        assert figures[name]["own test pictures refused"] <= 0.05
    assert figures["caltech101_10, near-foreign: every second class"]["AUROC, familiarity"] >= 0.93


def _finetune_versus(figures: Figures) -> None:
    (sides,) = [each for time, each in figures.items() if time != "skipped"]
    for rows in sides["each"].values():
        # Half a minute's work on two dozen pictures: only that all were measured on the same.
        assert [row["n"] for row in rows] == [9]
        assert all(0 <= row["accuracy"] <= 1 for row in rows)


def _imbalance(figures: Figures) -> None:
    heads = figures["trashnet_100"]
    assert heads["balanced_accuracy_mean"]["ours"] >= heads["balanced_accuracy_mean"]["unweighted"]
    (told,) = figures["warning"]["95 : 5, nothing to tell"]["each"]
    assert told["warned"] and told["among_the_notes"]


def _kills(figures: Figures) -> None:
    assert any(n for step, n in figures["killed_during"].items() if step != "after")
    assert figures["same_bytes"] is True
    assert figures["settled_pictures_asked_for_again"] == 0


def _ladder(figures: Figures) -> None:
    trash = figures["trashnet_100"]
    (turn,) = trash["turns"]
    assert not trash["worse_beyond_noise"]
    assert turn["finished"] and turn["rungs_kept"] >= 1
    assert turn["n"] == 9


def _learning_curve(figures: Figures) -> None:
    assert figures["held_as_tested"] >= 2 / 3  # of three trials
    assert figures["held_as_shown"] <= figures["held_as_tested"]
    # An interval that holds everything says nothing.
    shown, tested = (figures[f"width_points_as_{which}"]["high"] for which in ("shown", "tested"))
    assert 0 < shown <= tested < 60


def _mnist(figures: Figures) -> None:
    assert figures["parameters"] < 100_000
    assert figures["test_accuracy"] >= 0.94  # after one epoch of the ten, on a quarter


def _old_recipes(figures: Figures) -> None:
    for name in ("swipr", "picaisso"):
        assert figures[name]["told"]["validation"] == 0.2
        assert figures[name]["different"] == {}


def _old_specs(figures: Figures) -> None:
    for name, epochs in (("mnist_cnn", 12), ("iris_spec", 1)):
        assert figures[name]["signals"] == ["built", "trained", "compiled"]
        assert figures[name]["epochs"] == epochs
        assert {"onnx", "mlmodel", "mlpackage"} <= set(figures[name]["formats"])
    assert figures["mnist_cnn"]["test_accuracy"] >= 0.9  # of a thirtieth of the pictures
    # One seed. The spec's own optimizer does not get there in 100 epochs (0.71 was measured, not
    # the 0.93 asked for, and only at full scale); ten times its learning rate does.
    assert figures["iris_100_epochs_rate_0.01"]["mean"] >= 0.85


def _refit(figures: Figures) -> None:
    assert figures["went on from the last head"] is True


def _resuming(figures: Figures) -> None:
    assert figures["kills"] == 1
    assert figures["same_weights"] and figures["same_history"]
    assert figures["finished_epochs_repeated"] == 0
    assert figures["within_the_promise"] == 1


def _serving_fuzz(figures: Figures) -> None:
    assert figures["forbidden"] == {}, figures["examples"]
    assert figures["workers"]["after"] == figures["workers"]["before"]
    assert figures["right_afterwards"] == figures["asked_afterwards"]


def _serving_lives(figures: Figures) -> None:
    for name, one in figures.items():
        assert one["wrong"] == 0
        if name == "reloaded":
            assert one["not_answered_200"] == {}
            assert one["switched"] == one["reloads"]
        else:  # no more than what the worker held: a batch in work and one in its pipe
            assert one["not_answered_200_a_blow"] <= 8
            assert one["healthy_afterwards"] and one["all_workers_afterwards"]


def _serving_protocol(figures: Figures) -> None:
    for one in figures.values():
        assert one["labels_right"] == one["pictures"]
        assert one["probabilities, largest difference"] <= 1e-3


def _serving_overhead(figures: Figures) -> None:
    (size,) = figures.values()
    assert size["overhead_p50_ms"]["n"] == 4 and size["bare_p50_ms"]["low"] > 0


def _serving_soak(figures: Figures) -> None:
    assert figures["lost"] == 0 and figures["healthy_afterwards"]
    assert figures["wrong_before"] == figures["wrong"] == figures["wrong_afterwards"] == {}


def _serving_speed(figures: Figures) -> None:
    (size,) = figures["f32"]["sizes"].values()
    assert size["wrong"] == 0 and size["agrees_with_f32"] == 1.0


def _serving_start(figures: Figures) -> None:
    for one in figures["memory"].values():
        assert one["statuses"] == {"200": one["requests"]} and one["wrong"] == 0
    assert figures["compute"]["right"] == figures["compute"]["answers"]


def _serving_variants(figures: Figures) -> None:
    (one,) = figures.values()
    assert one["chosen"]["name"] in one["variants"]
    # Each was compared on every held-out picture; which is the fastest is the machine's affair.
    assert all(each["agreement"] or each["faults"] for each in one["variants"].values())


def _serving_versus(figures: Figures) -> None:
    for one in figures["each"].values():
        sizes = [value for value in one.values() if "wrong" in value]
        assert sizes and all(size["wrong"] == 0 for size in sizes)


def _signals(figures: Figures) -> None:
    stopped, killed = figures["stopped"], figures["killed"]
    assert stopped["exit_code"] == 0 and stopped["verified"] and stopped["marked_unfinished"]
    assert stopped["signals"] == ["built", "trained", "compiled"] == killed["next_run"]["signals"]
    assert stopped["each_came_before_what_follows"] is True
    assert killed["signals"] == ["built"]
    assert killed["next_run"]["goes_on_with_epoch"] >= 2


def _tables(figures: Figures) -> None:
    iris = figures["iris"]
    # One repetition, on few rows: two of them are more than a point.
    assert iris["lead of the means, points"] >= -2 * iris["one row, points"]
    assert iris["onnx"]["agreement"] == 1.0
    assert iris["onnx"]["max_difference"] <= 1e-3


def _train_folder(figures: Figures) -> None:
    trash = figures["trashnet_100"]
    assert trash["test_accuracy_mean"] >= 0.76
    assert trash["baseline"] < 0.2


def _training_speed(figures: Figures) -> None:
    speeds = figures["tf_efficientnet_lite0"]["pictures_per_second"]
    assert set(speeds) == {"ours", "plain_loop"}
    assert all(side["n"] == 2 and side["low"] > 0 for side in speeds.values())


def _versus(figures: Figures) -> None:
    each = figures["trashnet_100"]["each"]
    # Ten pictures a class: the full scale compares accuracies, this one that all were measured.
    assert all(0.1 < side["accuracy"]["median"] <= 1 for side in each.values())


def _deck_kills(figures: Figures) -> None:
    for each in figures.values():
        assert each["kills"] >= 2 and each["agrees"] is True
        assert each["acted_twice"] == each["sent_twice"] == each["lost"] == 0
        assert each["acted_but_not_shown"] == each["done_but_not_by_the_service"] == 0


def _deck_rules(figures: Figures) -> None:
    for drawn in ("default policy", "any policy"):
        found = figures[drawn]
        assert found["same action, rule and reason"] == figures["cases"]
        assert found["model calls where a rule decided"] == 0
        assert found["replayed the same"] == figures["cases"]
    people = figures["people"]
    assert people["acts"] == people["looks at who is not declared an adult"] == 0
    assert people["left to a person"] > 0


def _deck_off(figures: Figures) -> None:
    assert figures["all_within_1_s"] is True and figures["stayed_off"] is True
    assert figures["acts_after_restart"] == figures["acted_twice"] == 0


def _deck_active(figures: Figures) -> None:
    found = figures["mixed"]
    assert found["accuracy"]["50"]["chosen"] > found["accuracy"]["50"]["random"]
    assert found["the page"]["accuracy on the test within the 90 % interval"] >= 0.5


def _deck_correction(figures: Figures) -> None:
    assert figures["corrected ones that moved the right way"] >= 0.9
    assert all(figures["a live deck's head before and after"].values())


def _deck_gate(figures: Figures) -> None:
    found = figures["grocery_10"]
    assert found["30 % flipped"]["people"] == 3 and found["30 % flipped"]["live"] == 0


def _deck_users(figures: Figures) -> None:
    assert figures["memory"]["fp32"]["with all heads, MB"] < 300
    if "bf16" in figures["memory"]:
        assert figures["memory"]["bf16"]["with all heads, MB"] < 300
        heads = figures["heads on bf16 beside heads on fp32"]["24 labels"]
        assert heads["decided alike"]["mean"] >= 0.95
        assert abs(heads["bf16 less fp32"]["mean"]) <= 0.02
    assert figures["people whose scores moved when one's labels were turned round"] == 1
    assert figures["others among them"] == 0


def _deck_faults(figures: Figures) -> None:
    assert figures["tried"] == figures["right"] >= 10


def _forgetting(figures: Figures) -> None:
    for what in ("picture", "candidate"):
        assert figures[what]["places_before"] >= 3 and figures[what]["places_after"] == 0
        assert figures[what]["gone"] is True
    assert figures["after_the_next_run"]["places"] == 0


def _workbench(figures: Figures) -> None:
    total = figures["in_all"]
    assert all(hits == of for hits, of in total["logos_found"].values())
    assert total["warnings_on_clean_sets"] == total["dealt_sets_with_a_warning"][0] == 0
    planted = figures["sets"]["trashnet_100"]["planted_shortcuts"]
    assert all(one["told"][0] == one["told"][1] for one in planted.values())


def _source_quality(figures: Figures) -> None:
    assert figures["the_noisier_is_found"]
    assert figures["off_points"]["high"] < 20
    rounds, order = figures["noise_taken_in_rounds"], figures["noise_taken_in_order"]
    assert rounds["median"] < order["median"]


def _stop_rule(figures: Figures) -> None:
    assert figures["said_enough"] == figures["within_1_point"] == 1


def _planted_faults(figures: Figures) -> None:
    ours = figures["each"]["ours"]
    assert ours["truncated found"]["low"] == 1.0 and ours["others held to be broken"]["high"] == 0
    near = ours["near duplicates"]
    assert near["precision"]["low"] >= 0.9 and near["recall"]["low"] >= 0.8
    assert ours["off topic"]["AUROC against clean ones"]["low"] >= 0.95


CLAIMS: dict[str, Callable[[Figures], None]] = {
    "app_downloads": _app_downloads,
    "app_kills": _app_kills,
    "app_load": _app_load,
    "app_start": _app_start,
    "app_takeover": _app_takeover,
    "browser_source": _browser_source,
    "budget": _budget,
    "cassette": _cassette,
    "collect_hosts": _collect_hosts,
    "collecting": _collecting,
    "curation": _curation,
    "deck_active": _deck_active,
    "deck_correction": _deck_correction,
    "deck_faults": _deck_faults,
    "deck_gate": _deck_gate,
    "deck_kills": _deck_kills,
    "deck_off": _deck_off,
    "deck_rules": _deck_rules,
    "deck_users": _deck_users,
    "export_parity": _export_parity,
    "faces_count": _faces_count,
    "faces_rotated": _faces_rotated,
    "faces_sex_age": _faces_sex_age,
    "familiarity": _familiarity,
    "finetune_versus": _finetune_versus,
    "forgetting": _forgetting,
    "imbalance": _imbalance,
    "kills": _kills,
    "ladder": _ladder,
    "large_sets": _large_sets,
    "learning_curve": _learning_curve,
    "mnist": _mnist,
    "old_recipes": _old_recipes,
    "old_specs": _old_specs,
    "planted_faults": _planted_faults,
    "refit": _refit,
    "resuming": _resuming,
    "serving_fuzz": _serving_fuzz,
    "serving_lives": _serving_lives,
    "serving_overhead": _serving_overhead,
    "serving_protocol": _serving_protocol,
    "serving_soak": _serving_soak,
    "serving_speed": _serving_speed,
    "serving_start": _serving_start,
    "serving_variants": _serving_variants,
    "serving_versus": _serving_versus,
    "signals": _signals,
    "source_quality": _source_quality,
    "stop_rule": _stop_rule,
    "tables": _tables,
    "train_folder": _train_folder,
    "training_speed": _training_speed,
    "versus": _versus,
    "workbench": _workbench,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    # The wheel in a clean environment has a test of its own, tests/house/test_distribution.py.
    "name",
    [name for name in names() if name != "install"],
)
def test_each_figure_can_be_measured(name: str) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    try:
        figures = module.run(data_folder(), True)
    except Skipped as reason:
        pytest.skip(str(reason))
    assert figures
    json.dumps(figures)
    CLAIMS.get(name, lambda _: None)(figures)

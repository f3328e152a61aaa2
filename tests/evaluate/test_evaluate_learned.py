"""Evaluating what was trained without a head: figures, files, and what must not get out."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tellapart.catalog import Assignment, Catalog, NewPicture, Outcome, Verdict
from tellapart.demo.drawing import draw
from tellapart.errors import DataError, NotFoundError
from tellapart.learn import outcome
from tellapart.learn.metrics import wilson
from tellapart.recipe import asked, check
from tellapart.recipe.network import trace
from tellapart.settings import Settings
from tellapart.steps import StepContext, run_step
from tellapart.steps.evaluate import comparing
from tellapart.steps.samples import Samples, gather
from tellapart.store.database import open_database
from tellapart.store.files import FileStore

_LAYERS: list[Any] = [
    {"conv2d": {"filters": 4, "kernel_size": 3, "activation": "relu"}},
    "flatten",
    {"dense": {"units": 10, "activation": "softmax"}},
]


def _context(home: Path, wanted: dict[str, Any]) -> StepContext:
    settings = Settings(home=home, threads=1)
    recipe = check(wanted)
    catalog = Catalog.create(open_database(settings), recipe.name, asked(recipe))
    context = StepContext(settings, catalog, recipe, settings.projects_dir / recipe.name)
    for step in ("collect", "curate", "split"):
        run_step(step, context)
    return context


def _train(context: StepContext, **changes: Any) -> Samples:
    """A linear model in the place of a network: real answers, and facts as training notes them."""
    from sklearn.linear_model import LogisticRegression

    samples = gather(context)
    x = samples.x.reshape(len(samples.y), -1).astype(np.float64) / 255
    train = samples.rows_of("train")
    model = LogisticRegression(C=0.05, max_iter=200).fit(x[train], samples.y[train])
    assert context.recipe.layers is not None
    network = trace(context.recipe.layers, (8, 8, 1), 10)
    history = [
        {"epoch": 1, "loss": 1.5, "accuracy": 0.6, "validation_loss": 1.25,
         "validation_accuracy": 0.625, "seconds": 77.25, "learning_rate": 0.001},
        {"epoch": 2, "loss": float("nan"), "accuracy": 0.8, "validation_loss": 0.875,
         "validation_accuracy": 0.8125, "seconds": 77.75, "learning_rate": 0.001},
    ]  # fmt: skip
    facts = {
        "fingerprint": "f",
        "finished": True,
        "history": history,
        "best_epoch": 2,
        "epochs_asked": 2,
        "network": network.to_dict(),
        "parameters": network.parameters,
        "optimizer": "adam",
        "loss": "categorical_crossentropy",
        "precision": "fp32",
        "device": "a-graphics-processor",
        "seconds": 155.0,
        "notes": [],
        **changes,
    }
    probabilities = model.predict_proba(x).astype(np.float32)
    outcome.save(
        context.work,
        outcome.Outcome("network", samples.classes, samples.ids, probabilities, facts),
    )
    place = int(samples.rows_of("test")[0])
    rng = np.random.default_rng(0)
    looks: dict[str, Any] = {
        "picture": samples.x[place],
        "first_filters": rng.normal(size=(4, 1, 3, 3)).astype(np.float32),
        "layer:conv2d_1": rng.normal(size=(4, 6, 6)).astype(np.float32),
    }
    np.savez(context.work / outcome.LOOKS, **looks)
    return samples


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[StepContext, Samples, dict[str, Any]]:
    home = tmp_path_factory.mktemp("digits") / "secret-home"
    context = _context(home, {"name": "digits-net", "data": "digits", "layers": _LAYERS})
    samples = _train(context)
    return context, samples, run_step("evaluate", context)


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> tuple[StepContext, dict[str, Any]]:
    home = tmp_path_factory.mktemp("iris") / "secret-home"
    context = _context(home, {"name": "flowers", "data": "iris"})
    run_step("train", context)
    return context, run_step("evaluate", context)


def _table(context: StepContext) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((context.work / "metrics.json").read_text())
    return found


def _pages(context: StepContext) -> tuple[str, str]:
    names = ("report.html", "report-public.html")
    full, public = (re.sub(r"\s+", " ", (context.work / name).read_text()) for name in names)
    return full, public


def test_the_figures_are_those_of_the_answers_on_the_test_pictures(
    digits: tuple[StepContext, Samples, dict[str, Any]],
) -> None:
    context, samples, result = digits
    told = outcome.load(context.work).probabilities
    table = _table(context)
    for split in ("train", "validation", "test"):
        places = samples.rows_of(split)
        right = told[places].argmax(axis=1) == samples.y[places]
        figures = table["splits"][split]
        assert figures["n"] == len(places) > 100
        assert figures["correct"] == right.sum()
        assert figures["accuracy"] == pytest.approx(right.mean(), abs=1e-6)
        assert (figures["low"], figures["high"]) == wilson(int(right.sum()), len(places))
        sure = told[places, samples.y[places]]
        assert figures["log_loss"] == pytest.approx(-np.log(sure).mean(), abs=1e-5)
    assert table["accuracy"] == result["metrics"]["accuracy"] == table["splits"]["test"]["accuracy"]
    assert 0.85 < table["accuracy"] < 1
    test = samples.rows_of("test")
    for row in table["confident_errors"]:
        place = samples.ids.index(row["picture"])
        assert place in test
        assert row["class"] == samples.classes[samples.y[place]] != row["answer"]
        assert row["probability"] == pytest.approx(told[place].max(), abs=1e-6)
    assert len(table["confident_errors"]) == table["n"] - table["correct"]
    assert table["history"][1]["loss"] is None  # no number is no JSON
    assert table["best_epoch"] == result["metrics"]["epochs"] == 2


def test_the_pages_say_these_figures(
    digits: tuple[StepContext, Samples, dict[str, Any]],
) -> None:
    context, samples, result = digits
    table = _table(context)
    for page in _pages(context):
        assert f"{100 * table['accuracy']:.1f}<small>%</small>" in page
        assert f"({table['correct']} of {table['n']})" in page
        assert 'data-layer="conv2d_1"' in page
        assert "epoch 2: validation 0.8750" in page
        for row in table["confident_errors"][:14]:
            assert row["picture"] in page
        assert page.count('src="data:image/png;base64,') == 3 + min(
            14, len(table["confident_errors"])
        )
        assert "CC BY 4.0" in page
    first = samples.classes[samples.y[samples.rows_of("test")[0]]]
    assert f"A test picture of “{first}”" in _pages(context)[0]
    names = {path.name for path in (context.work / "plots").iterdir()}
    assert names == {
        "learning_curves.png",
        "confusion.png",
        "reliability.png",
        "first_filters.png",
        "activations.png",
        "network.svg",
    }
    assert {f"plots/{name}" for name in names} < set(result["files"])


def test_what_goes_into_the_bundle_tells_of_no_machine_and_no_time(
    digits: tuple[StepContext, Samples, dict[str, Any]],
    iris: tuple[StepContext, dict[str, Any]],
) -> None:
    full, public = _pages(digits[0])
    for word in ("a-graphics-processor", "77.50 s", "155.0 s"):
        assert word in full
        assert word not in public
    for context in (digits[0], iris[0]):
        for path in [context.work / "report-public.html", context.work / "metrics.json",
                     *(context.work / "plots").iterdir()]:  # fmt: skip
            data = path.read_bytes()
            for word in (b"secret-home", b"77.25", b"155.0", b"a-graphics-processor"):
                assert word not in data, (path.name, word)
        assert "secret-home" not in (context.work / "report.html").read_text()


def test_the_same_again_does_nothing_and_the_same_elsewhere_gives_the_same_bytes(
    digits: tuple[StepContext, Samples, dict[str, Any]], tmp_path: Path
) -> None:
    context, _, result = digits
    before = (context.work / "report.html").stat().st_mtime_ns
    assert run_step("evaluate", context) == result
    assert (context.work / "report.html").stat().st_mtime_ns == before
    other = _context(
        tmp_path / "elsewhere", {"name": "digits-net", "data": "digits", "layers": _LAYERS}
    )
    for name in (outcome.OUTCOME, outcome.LOOKS):
        shutil.copy(context.work / name, other.work / name)
    assert run_step("evaluate", other)["files"] == result["files"]
    # A file that is gone or changed is made again.
    (other.work / "plots" / "confusion.png").unlink()
    (other.work / "report.html").write_text("changed")
    assert run_step("evaluate", other)["files"] == result["files"]
    assert (other.work / "report.html").read_bytes() == (context.work / "report.html").read_bytes()


def test_another_outcome_gives_another_report_and_unfinished_is_marked(tmp_path: Path) -> None:
    context = _context(tmp_path, {"name": "digits-net", "data": "digits", "layers": _LAYERS})
    _train(context, finished=False, epochs_asked=12)
    (context.work / outcome.LOOKS).write_bytes(b"cut off")
    result = run_step("evaluate", context)
    assert result["metrics"]["finished"] is False
    for page in _pages(context):
        assert "<strong>Unfinished.</strong>" in page
        assert "after 2 of 12 epochs" in page
        assert "A look inside" not in page
    _train(context, epochs_asked=2)
    assert run_step("evaluate", context)["metrics"]["finished"] is True
    assert "Unfinished" not in _pages(context)[0]
    assert "A look inside" in _pages(context)[0]


def test_a_model_of_other_samples_is_not_measured(tmp_path: Path) -> None:
    context = _context(tmp_path, {"name": "digits-net", "data": "digits", "layers": _LAYERS})
    with pytest.raises(NotFoundError, match="no trained model"):
        run_step("evaluate", context)
    _train(context)
    found = outcome.load(context.work)
    outcome.save(
        context.work,
        replace(found, ids=found.ids[:-1], probabilities=found.probabilities[:-1]),
    )
    with pytest.raises(DataError, match="trained on other samples") as caught:
        run_step("evaluate", context)
    assert "tellapart train digits-net" in str(caught.value)
    assert not (context.work / "metrics.json").exists()


def test_a_table_shows_candidates_columns_and_wrong_rows(
    iris: tuple[StepContext, dict[str, Any]],
) -> None:
    context, result = iris
    facts, table = outcome.load(context.work).facts, _table(context)
    full, public = _pages(context)
    chosen = next(one for one in facts["candidates"] if one["chosen"])
    for one in facts["candidates"]:
        score = one["cross_validation"]
        row = next(row for row in table["candidates"] if row["name"] == one["name"])
        assert (row["accuracy"], row["n"]) == (round(score["accuracy"], 6), score["n"])
        assert f"{100 * score['accuracy']:.1f} %" in full
    assert table["verdict"].lower().startswith(f"{chosen['name']} was taken: right on".lower())
    schema = gather(context).schema
    assert schema is not None
    worth = {one["column"]: one["drop"] for one in facts["importance"]}
    for column in table["columns"]:
        assert column["importance"] == worth[column["name"]]
        assert column["name"] in full
    assert [column["name"] for column in table["columns"]] == list(schema.names)
    wrong = table["confident_errors"]
    assert ('<table class="rows">' in full) == bool(wrong)
    assert '<table class="rows">' not in public
    for row in wrong:
        assert row["row"] in full
    if wrong:
        assert "not shown here" in public
    assert result["metrics"]["n"] == 30
    assert any("only 30 rows" in note for note in table["notes"])


def _ledger(home: Path, licenses: dict[str, str]) -> StepContext:
    """Searched pictures of two classes, as the steps before training leave them; one set aside."""
    settings = Settings(home=home, threads=1)
    layers = [*_LAYERS[:2], {"dense": {"units": 2, "activation": "softmax"}}]
    recipe = check({"name": "signs", "classes": ["apple", "star"], "layers": layers})
    catalog = Catalog.create(open_database(settings), "signs", asked(recipe))
    files = FileStore(settings.files_dir)
    splits = ["train"] * 4 + ["validation"] * 2 + ["test"] * 3 + [""]
    plans = [(word, n, split) for word in ("apple", "star") for n, split in enumerate(splits)]
    new = [
        NewPicture(
            label=word,
            source="urls",
            rank=number,
            file_url=f"https://example.org/{word}/{number}.jpg",
            page_url=f"https://example.org/{word}/{number}",
            creator="Ann",
            license=licenses.get(f"{word}/{number}", "by"),
        )
        for word, number, _ in plans
    ]
    catalog.add(new)
    ids = [catalog.id_of(row) for row in new]
    shas = []
    for word, number, _ in plans:
        buffer = io.BytesIO()
        draw(word, number).save(buffer, "JPEG", quality=90)
        shas.append(files.put(buffer.getvalue()))
    catalog.record(
        [Outcome(id=id, status="ok", sha256=sha) for id, sha in zip(ids, shas, strict=True)]
    )
    told = list(zip(ids, shas, [split for *_, split in plans], strict=True))
    catalog.save_verdicts(
        [
            Verdict(id=id, kept=bool(split), reason="" if split else "blurred", detail={})
            for id, _, split in told
        ]
    )
    catalog.save_splits(
        [Assignment(id=id, split=split, group=sha[:16]) for id, sha, split in told if split]
    )
    return StepContext(settings, catalog, recipe, settings.projects_dir / "signs")


def test_pictures_with_licences_of_their_own_are_shown_by_them(tmp_path: Path) -> None:
    context = _ledger(tmp_path, {"star/6": "", "apple/9": "all rights reserved"})
    samples = gather(context)
    addresses = {row.id: row.page_url for row in context.catalog.pictures()}
    # All right but two of the test: one that may be passed on, one of which nothing is known.
    wrong = {"https://example.org/apple/7", "https://example.org/star/6"}
    probabilities = np.full((len(samples.y), 2), 0.25, np.float32)
    for place, (id, y) in enumerate(zip(samples.ids, samples.y.tolist(), strict=True)):
        probabilities[place, 1 - y if addresses[id] in wrong else y] = 0.75
    facts = {"finished": True, "network": None, "history": []}
    outcome.save(
        context.work,
        outcome.Outcome("network", samples.classes, samples.ids, probabilities, facts),
    )
    result = run_step("evaluate", context)
    assert (result["metrics"]["n"], result["metrics"]["correct"]) == (6, 4)
    full, public = _pages(context)
    (open_id,) = [id for id, address in addresses.items() if address.endswith("apple/7")]
    (closed_id,) = [id for id, address in addresses.items() if address.endswith("star/6")]
    assert f"<code>{open_id}</code>" in full
    assert f"<code>{closed_id}</code>" in full
    assert full.count('src="data:image/jpeg;base64,') == 4  # two mistakes, two set aside
    assert f"<code>{open_id}</code>" in public
    assert f"<code>{closed_id}</code>" not in public
    assert "The 1 surest wrong answer is not shown here" in public
    assert public.count('src="data:image/jpeg;base64,') == 2
    assert "https://example.org/apple/7" in public  # credited
    assert "Ann, CC BY" in public
    assert _table(context)["set_aside"] == {"blurred": 2}
    assert "Set aside before: 2 blurred." in full


def _fit(split: str, correct: int, n: int) -> comparing.Fit:
    low, high = wilson(correct, n)
    return comparing.Fit(split, n, correct, correct / n, low, high, 0.1)


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        ((1000, 1000), (180, 200), True),
        ((950, 1000), (185, 200), False),  # within chance
        ((9990, 10000), (9880, 10000), False),  # beyond chance, but no gap to speak of
        ((90, 100), (95, 100), False),
    ],
)
def test_learned_by_heart_is_said_only_beyond_chance(
    train: tuple[int, int], test: tuple[int, int], said: bool
) -> None:
    notes = comparing.notes([_fit("train", *train), _fit("test", *test)], {}, "rows")
    assert any("by heart" in note for note in notes) is said


def test_learning_nothing_after_the_first_epoch_is_noticed() -> None:
    history = [{"epoch": k, "validation_loss": 0.7 + k / 100} for k in range(1, 6)]
    (note,) = comparing.notes([], {"history": history, "best_epoch": 1}, "pictures")
    assert note.startswith("Of 5 epochs the first was the best on the validation pictures")
    assert comparing.notes([], {"history": history[:2], "best_epoch": 1}, "rows") == []


@pytest.mark.parametrize(
    ("losses", "finished", "said"),
    [
        ([1.0, 0.8, 0.6], True, True),
        ([1.0, 0.6, 0.8], True, False),
        ([1.0, 0.8, 0.799], True, False),
        ([1.0, 0.8, 0.6], False, False),  # unfinished says it already
        ([1.0], True, False),
    ],
)
def test_too_few_epochs_are_noticed(losses: list[float], finished: bool, said: bool) -> None:
    history = [{"epoch": k, "validation_loss": loss} for k, loss in enumerate(losses, 1)]
    best = losses.index(min(losses)) + 1
    facts = {"history": history, "finished": finished, "best_epoch": best}
    notes = comparing.notes([], facts, "rows")
    assert any("more epochs" in note for note in notes) is said


def _candidate(name: str, accuracy: float, **more: Any) -> dict[str, Any]:
    return {"name": name, "cross_validation": {"accuracy": accuracy, "n": 200}, **more}


_BEST = _candidate("trees", 0.9, chosen=True)
_CASES: list[tuple[list[dict[str, Any]], Callable[[str], bool]]] = [
    ([_BEST], lambda said: said == ""),
    (
        [_BEST, _candidate("a line", 0.7, difference={"beyond_noise": True})],
        lambda said: "better than a line by more than chance" in said and "within" not in said,
    ),
    (
        [_BEST, _candidate("a line", 0.89, difference={"beyond_noise": False})],
        lambda said: "difference to a line is within" in said and "more than" not in said,
    ),
    ([_BEST, _candidate("a line", 0.6)], lambda said: "more than chance" in said),
    ([_BEST, _candidate("a line", 0.88)], lambda said: "is within" in said),
    (
        [_BEST, {"name": "unmeasured", "cross_validation": None, "chosen": False}],
        lambda said: said == "",
    ),
]


@pytest.mark.parametrize(("candidates", "fits"), _CASES)
def test_the_verdict_says_whether_a_difference_is_chance(
    candidates: list[dict[str, Any]], fits: Callable[[str], bool]
) -> None:
    assert fits(comparing.verdict({"candidates": candidates}))

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


def _collecting(figures: Figures) -> None:
    assert figures["complete_rows"] == figures["pictures"] == figures["requests_for_pictures"]


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


def _familiarity(figures: Figures) -> None:
    for name in ("trashnet_100, far-foreign", "grocery_10 (official split), far-foreign"):
        assert figures[name]["foreign pictures refused"] >= 0.95
        assert figures[name]["own test pictures refused"] <= 0.05
    assert figures["caltech101_10, near-foreign: every second class"]["AUROC, familiarity"] >= 0.93


def _kills(figures: Figures) -> None:
    assert any(n for step, n in figures["killed_during"].items() if step != "after")
    assert figures["same_bytes"] is True
    assert figures["settled_pictures_asked_for_again"] == 0


def _mnist(figures: Figures) -> None:
    assert figures["parameters"] < 100_000
    assert figures["test_accuracy"] >= 0.97  # after one epoch of the ten


def _old_specs(figures: Figures) -> None:
    for name, epochs in (("mnist_cnn", 12), ("iris_spec", 1)):
        assert figures[name]["signals"] == ["built", "trained", "compiled"]
        assert figures[name]["epochs"] == epochs
        assert {"onnx", "mlmodel", "mlpackage"} <= set(figures[name]["formats"])
    assert figures["mnist_cnn"]["test_accuracy"] >= 0.9  # of a thirtieth of the pictures
    assert figures["iris_100_epochs"]["mean"] >= 0.85  # of two seeds


def _refit(figures: Figures) -> None:
    assert figures["went on from the last head"] is True


def _signals(figures: Figures) -> None:
    stopped, killed = figures["stopped"], figures["killed"]
    assert stopped["exit_code"] == 0 and stopped["verified"] and stopped["marked_unfinished"]
    assert stopped["signals"] == ["built", "trained", "compiled"] == killed["next_run"]["signals"]
    assert stopped["each_came_before_what_follows"] is True
    assert killed["signals"] == ["built"]
    assert killed["next_run"]["goes_on_with_epoch"] >= 2


def _tables(figures: Figures) -> None:
    for name in ("iris", "wine"):
        # One repetition, on few rows: two of them are more than a point.
        assert figures[name]["lead of the means, points"] >= -2 * figures[name]["one row, points"]
        assert figures[name]["onnx"]["agreement"] == 1.0
        assert figures[name]["onnx"]["max_difference"] <= 1e-3


def _train_folder(figures: Figures) -> None:
    trash = figures["trashnet_100"]
    assert trash["test_accuracy_mean"] >= 0.76
    assert trash["baseline"] < 0.2


def _versus(figures: Figures) -> None:
    each = figures["trashnet_100"]["each"]
    # Ten pictures a class: the full scale compares accuracies, this one that all were measured.
    assert all(0.1 < side["accuracy"]["median"] <= 1 for side in each.values())


CLAIMS: dict[str, Callable[[Figures], None]] = {
    "collecting": _collecting,
    "curation": _curation,
    "export_parity": _export_parity,
    "familiarity": _familiarity,
    "kills": _kills,
    "refit": _refit,
    "mnist": _mnist,
    "old_specs": _old_specs,
    "signals": _signals,
    "tables": _tables,
    "train_folder": _train_folder,
    "versus": _versus,
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

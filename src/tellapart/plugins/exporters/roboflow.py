"""Roboflow's multi-class CSV: `_classes.csv` beside the pictures, one folder a split."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from tellapart.datasets.samples import Sample, uniquely
from tellapart.plugins.exporters.conventions import Convention, by_split, classes_of

_FOLDERS = {"train": "train", "validation": "valid", "test": "test", "": ""}


class Roboflow(Convention):
    """`train`, `valid` and `test`. The format holds classes and splits, nothing else."""

    name = "roboflow"

    def lay_out(self, samples: Sequence[Sample], folder: Path) -> None:
        classes = classes_of(samples)
        for split, inside in by_split(samples):
            place = folder / _FOLDERS[split]
            place.mkdir(exist_ok=True)
            with (place / "_classes.csv").open("w", encoding="utf-8", newline="") as file:
                rows = csv.writer(file, lineterminator="\n")
                rows.writerow(["filename", *classes])
                for sample, name, ending in uniquely(inside):
                    (place / f"{name}{ending}").write_bytes(sample.read())
                    marks = [int(label == sample.label) for label in classes]
                    rows.writerow([f"{name}{ending}", *marks])

"""FiftyOne's `FiftyOneImageClassificationDataset`: `data/` and `labels.json`, a folder a split."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tellapart.datasets.samples import Sample, uniquely
from tellapart.plugins.exporters.conventions import Convention, by_split, classes_of


class FiftyOne(Convention):
    """Read it with `fiftyone.Dataset.from_dir(…, FiftyOneImageClassificationDataset)`."""

    name = "fiftyone"

    def lay_out(self, samples: Sequence[Sample], folder: Path) -> None:
        classes = classes_of(samples)
        for split, inside in by_split(samples):
            data = folder / split / "data"
            data.mkdir(parents=True)
            labels: dict[str, Any] = {}
            for sample, name, ending in uniquely(inside):
                (data / f"{name}{ending}").write_bytes(sample.read())
                number = classes.index(sample.label)
                # With attributes FiftyOne writes an object instead of the number, all or none.
                known = {"label": number, "attributes": dict(sample.facts)}
                labels[name] = known if any(one.facts for one in inside) else number
            text = json.dumps({"classes": classes, "labels": labels}, ensure_ascii=False, indent=1)
            (data.parent / "labels.json").write_text(text, encoding="utf-8")

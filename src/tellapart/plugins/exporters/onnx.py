"""The model alone: one ONNX file, and the labels beside it."""

from __future__ import annotations

from pathlib import Path

from tellapart.bundle import Bundle
from tellapart.bundle.archive import open_archive
from tellapart.bundle.predictor import LABELS, MODEL
from tellapart.doors import Exporter
from tellapart.plugins.exporters.files import copy_out


class Onnx(Exporter):
    """`model.onnx` and `labels.txt` in a folder; or the model as the named `.onnx` file."""

    name = "onnx"

    def export(self, bundle: Bundle, target: Path) -> Path:
        """Write to the folder `target`, or to the file if its name ends in `.onnx`."""
        with open_archive(bundle.path) as archive:
            if target.suffix.lower() == ".onnx":
                labels = target.with_suffix(".labels.txt").name
                copy_out(archive, {MODEL: target.name, LABELS: labels}, target.parent)
            else:
                copy_out(archive, {MODEL: MODEL, LABELS: LABELS}, target)
        return target

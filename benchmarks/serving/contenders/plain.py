"""Pillow and ONNX Runtime, as short as it goes: the same decoding and the same graph as ours.

Of this project nothing is imported. The model, its labels and its threshold come from the
environment. With `draft` and a reducing gap the decoding is as cheap as ours: the figures are of
servers, not of decoders.
"""

import io
import json
import os
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

FOLDER = Path(os.environ["CONTENDER_FOLDER"])
FACTS = json.loads((FOLDER / "facts.json").read_text())
#: How this contender is set up: one of the settings that are tried for it.
SETTING = json.loads(os.environ["CONTENDER_SETTING"])
PORT = int(os.environ["CONTENDER_PORT"])
SIDE = FACTS["size"]


def decode(data):
    """A picture file's bytes to uint8 (side, side, 3), RGB."""
    return pixels(Image.open(io.BytesIO(data)))


def pixels(image):
    """An opened picture, not yet decoded, to uint8 (side, side, 3), RGB."""
    image.draft(None, (2 * SIDE, 2 * SIDE))
    image = image.convert("RGB")
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC, reducing_gap=3.0))


class Classifier:
    """One session; may be called from many threads at once."""

    def __init__(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = SETTING["threads"]
        self.session = onnxruntime.InferenceSession(
            str(FOLDER / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self.name = self.session.get_inputs()[0].name
        for count in (1, 4):  # warm up
            self.run(np.zeros((count, SIDE, SIDE, 3), np.uint8))

    def run(self, batch):
        """One answer a picture."""
        odds, known = self.session.run(["probabilities", "familiarity"], {self.name: batch})
        return [answer(*pair) for pair in zip(odds.tolist(), known.tolist(), strict=True)]

    def answer(self, data):
        """What a picture file shows."""
        return self.run(decode(data)[None])[0]


def answer(odds, known):
    """The answer as our server gives it."""
    best = FACTS["labels"][max(range(len(odds)), key=odds.__getitem__)]
    abstained = known < FACTS["familiarity"]
    return {
        "label": None if abstained else best,
        "best": best,
        "abstained": abstained,
        "familiarity": round(known, 6),
        "probabilities": {
            label: round(value, 6) for label, value in zip(FACTS["labels"], odds, strict=True)
        },
    }

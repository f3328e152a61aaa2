"""The program inside every bundle: the very modules that predict and verify here."""

from __future__ import annotations

from importlib.resources import files

#: Copied as they are. They import one another, the standard library, numpy, Pillow and
#: onnxruntime, and nothing else.
MODULES = (
    "errors.py",
    "telemetry.py",
    "images.py",
    "tables/__init__.py",
    "tables/cells.py",
    "tables/inference.py",
    "tables/reading.py",
    "tables/schema.py",
    "tables/table.py",
    "bundle/__init__.py",
    "bundle/answering.py",
    "bundle/archive.py",
    "bundle/compiled.py",
    "bundle/face.py",
    "bundle/faces.py",
    "bundle/manifest.py",
    "bundle/occlusion.py",
    "bundle/overlay.py",
    "bundle/pictures.py",
    "bundle/prediction.py",
    "bundle/predictor.py",
    "bundle/row_files.py",
    "bundle/rows.py",
    "bundle/run.py",
    "bundle/session.py",
    "bundle/verify.py",
    "bundle/wellformed.py",
)

_MAIN = '''"""python NAME.zip predict PICTURE… | verify"""

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent

# Unpacked, the bundle must stay as its sums describe it: no compiled copies, not even the one
# that Python has just made of this file.
sys.dont_write_bytecode = True
shutil.rmtree(HERE / "__pycache__", ignore_errors=True)

try:
    from tellapart.bundle.run import main
except ImportError as error:
    sys.stderr.write(
        f"The module {error.name!r} is not installed.\\n"
        "  expected: numpy, Pillow and onnxruntime\\n"
        "  do next:  Run `pip install numpy pillow onnxruntime`.\\n"
    )
    sys.exit(9)

if __name__ == "__main__":
    sys.exit(main(HERE))
'''

_COPYRIGHT = """\
Tellapart
Copyright 2026 The Tellapart developers

The program in this folder is licensed under the Apache License, Version 2.0"""
_NOTICE = f"""{_COPYRIGHT}, and so are the
backbone's weights in model.onnx and weights.safetensors (EfficientNet-Lite0; see README.md).
The pictures in dataset/ have licences of their own: see README.md and dataset/ATTRIBUTION.csv.
"""

#: Where it rests on other networks than the one that comes with the program.
_OTHER_NOTICE = f"""{_COPYRIGHT}.
The networks whose weights are in model.onnx and weights.safetensors have licences of their own, and
so have the pictures in dataset/: see README.md and dataset/ATTRIBUTION.csv.
"""

#: Where the model was trained from the ground up.
_OWN_NOTICE = f"{_COPYRIGHT}.\nOn the model and the data that it learned from see README.md.\n"

#: As YuNet's own license file has it.
_FACES_NOTICE = """
faces.onnx is the face detector YuNet, under the Apache License, Version 2.0:
Copyright 2018-2022 OpenMMLab. All rights reserved.
Copyright (c) 2022 Shiqi Yu <shiqi.yu@gmail.com>
It is as published (libfacedetection.train, onnx/yunet_s_dynamic.onnx).
"""

_ROOT = '''"""The part of Tellapart that this bundle needs to run by itself."""
'''


def runtime_files(
    *, backbone: bool = True, embedded: bool = True, faces: bool = False
) -> dict[str, bytes]:
    """The program's files by their name in the zip: `__main__.py`, its package, its license.

    `backbone`: whether the model holds the weights of one; `embedded`: of the one that comes with
    the program, and of no other; `faces`: whether YuNet's weights go along.
    """
    notice = _OWN_NOTICE if not backbone else _NOTICE if embedded else _OTHER_NOTICE
    notice += _FACES_NOTICE * faces
    root = files("tellapart")
    found = {f"tellapart/{name}": root.joinpath(name).read_bytes() for name in MODULES}
    return {
        "__main__.py": _MAIN.encode(),
        "tellapart/__init__.py": _ROOT.encode(),
        # Whoever passes on the program and the backbone must pass this on too.
        "tellapart/LICENSE.txt": root.joinpath("bundle/LICENSE.txt").read_bytes(),
        "tellapart/NOTICE.txt": notice.encode(),
        **found,
    }

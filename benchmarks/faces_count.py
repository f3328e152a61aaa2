"""How many faces are found: in portraits, in photographs of none, one or four, in airplanes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks import Skipped, main, need
from tellapart import images
from tellapart.bundle.faces import FaceReader
from tellapart.learn.faces.people import HINT
from tellapart.learn.metrics import wilson

#: Photographs of `photos_misc` and how many faces there are to be seen.
PHOTOS = {
    "face.jpg": 4,
    "grace_hopper.bmp": 1,
    "skimage/astronaut.png": 1,
    "cat_720p.jpg": 0,
    "owl.jpg": 0,
    "parrot.jpg": 0,
    "hot_dog.jpg": 0,
    "pets.jpg": 0,
    "skimage/coffee.png": 0,
    "skimage/rocket.jpg": 0,
    "skimage/chelsea.png": 0,
}


def reader(data: Path) -> FaceReader:
    """YuNet as `weights get yunet` brings it."""
    file = data / "face_models/yunet/yunet_s_dynamic.onnx"
    if not file.is_file():
        raise Skipped("YuNet's weights are not here: set TELLAPART_TEST_DATA")
    return FaceReader(file.read_bytes())


def opened(path: Path) -> Image.Image:
    """A picture as the analyzer of faces sees it."""
    return images.decode(path, hint=HINT)


def run(data: Path, small: bool) -> dict[str, Any]:
    look = reader(data)
    portraits = sorted(need(data / "congress_faces").glob("img/*.jpg"))
    planes = sorted(need(data / "caltech101_10" / "airplanes").glob("*.jpg"))
    if small:
        portraits, planes = portraits[::40], planes[::25]
    in_portraits = Counter(len(look.find(opened(path))) for path in portraits)
    in_planes = {path.name: found for path in planes if (found := len(look.find(opened(path))))}
    in_photos = {name: len(look.find(opened(need(data / "photos_misc") / name))) for name in PHOTOS}
    one = in_portraits[1]
    return {
        "congress_faces": {
            "pictures": len(portraits),
            "exactly_one": one,
            "share": round(one / len(portraits), 4),
            "interval": [round(bound, 4) for bound in wilson(one, len(portraits))],
            "counts": dict(sorted(in_portraits.items())),
        },
        "photos_misc": {
            "pictures": len(PHOTOS),
            "exact": sum(in_photos[name] == many for name, many in PHOTOS.items()),
            "wrong": {n: found for n, found in in_photos.items() if found != PHOTOS[n]},
        },
        "airplanes": {
            "pictures": len(planes),
            "false": sum(in_planes.values()),
            "false_in_100": round(100 * sum(in_planes.values()) / len(planes), 3),
            "where": in_planes,
        },
    }


if __name__ == "__main__":
    main(run)

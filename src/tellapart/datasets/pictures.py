"""Picture data sets as arrays."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tellapart.datasets import cifar, files, idx
from tellapart.datasets.arrays import Arrays, Watch
from tellapart.datasets.facts import FACTS
from tellapart.datasets.files import Original
from tellapart.errors import DataError, FetchError

if TYPE_CHECKING:
    from tellapart.settings import Settings

#: (pictures uint8 (n, h, w, c), labels int64 (n,)) by official part.
_Parts = Mapping[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]

_IDX_STEMS = ("train-images", "train-labels", "t10k-images", "t10k-labels")
_MNIST = (
    Original(
        "train-images-idx3-ubyte.gz",
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    Original(
        "train-labels-idx1-ubyte.gz",
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    Original(
        "t10k-images-idx3-ubyte.gz",
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    Original(
        "t10k-labels-idx1-ubyte.gz",
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)
_FASHION = (
    Original(
        "train-images-idx3-ubyte.gz",
        26_421_880,
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    ),
    Original(
        "train-labels-idx1-ubyte.gz",
        29_515,
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    ),
    Original(
        "t10k-images-idx3-ubyte.gz",
        4_422_102,
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    ),
    Original(
        "t10k-labels-idx1-ubyte.gz",
        5_148,
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
)
_CIFAR10 = (
    Original(
        "cifar-10-binary.tar.gz",
        170_052_171,
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    ),
)
_ORIGINALS = {"mnist": _MNIST, "fashion_mnist": _FASHION, "cifar10": _CIFAR10}
_PUBLISHERS = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/{name}",
        "https://storage.googleapis.com/cvdf-datasets/{name}",
    ),
    "fashion_mnist": (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    ),
    "cifar10": ("https://www.cs.toronto.edu/~kriz",),
}
_CIFAR_FOLDERS = ("cifar-10-batches-bin", "cifar-10-batches-py")
_CIFAR_TARS = ("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz")
_CIFAR_BATCHES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")


def load(name: str, settings: Settings, watch: Watch) -> Arrays:
    """See `datasets.load_arrays`."""
    if name == "digits":
        return _digits()
    read = _cifar10 if name == "cifar10" else _idx
    watch(0, None, f"reading {name}")
    try:
        parts, origin = read(name, settings, watch)
    except FetchError as error:
        raise _nowhere(name, settings, error) from None
    return _joined(name, parts, origin)


def _joined(name: str, parts: _Parts, origin: str) -> Arrays:
    facts = FACTS[name]
    x = np.concatenate([pixels for pixels, _ in parts.values()])
    y = np.concatenate([labels for _, labels in parts.values()])
    official = np.concatenate([np.full(len(labels), part) for part, (_, labels) in parts.items()])
    notes = []
    if len(x) != facts.rows:
        notes.append(f"{name} from {origin} has {len(x):,} pictures, the original {facts.rows:,}.")
    return Arrays(x, y, facts.classes, official, _sha256(x, y, official), origin, tuple(notes))


def _sha256(x: NDArray[np.uint8], y: NDArray[np.int64], official: NDArray[np.str_]) -> str:
    digest = hashlib.sha256(repr(x.shape).encode())
    digest.update(np.ascontiguousarray(x).data)
    digest.update(np.ascontiguousarray(y, dtype="<i8").data)
    digest.update("\n".join(official.tolist()).encode())
    return digest.hexdigest()


def _digits() -> Arrays:
    # Imported here because it takes a second.
    from sklearn.datasets import load_digits

    found = load_digits()
    # 0 to 16 dark points of a 4 × 4 square become 0 to 255.
    x = np.rint(found.images * (255 / 16)).astype(np.uint8)[..., None]
    y = found.target.astype(np.int64)
    official = np.full(len(y), "", dtype="<U5")
    classes = FACTS["digits"].classes
    return Arrays(x, y, classes, official, _sha256(x, y, official), "scikit-learn")


def _idx(name: str, settings: Settings, watch: Watch) -> tuple[_Parts, str]:
    found = {stem: _idx_file(settings.datasets_dir, name, stem) for stem in _IDX_STEMS}
    there = [path for path in found.values() if path is not None]
    if there:
        lacking = [stem for stem, path in found.items() if path is None]
        if lacking:
            raise DataError(
                f"The folder {str(there[0].parent)!r} lacks the file {lacking[0]}-… of {name}.",
                expected="all of "
                + ", ".join(original.name for original in _ORIGINALS[name])
                + " (.gz or not)",
                do="Copy that file there as well.",
            )
        data = {stem: files.read(path) for stem, path in found.items() if path is not None}
        names = {stem: repr(str(path)) for stem, path in found.items()}
        origin = "the folder that TELLAPART_DATASETS names"
    else:
        data, names = {}, {stem: f"The file {stem} of {name}" for stem in _IDX_STEMS}
        for stem, original in zip(_IDX_STEMS, _ORIGINALS[name], strict=True):
            packed = files.fetched(name, original, _mirrors(name, settings), settings, watch)
            data[stem] = files.unpacked(packed, original.name)
        origin = "its publisher's files"
    arrays = {stem: idx.decode(data[stem], names[stem]) for stem in _IDX_STEMS}
    parts = {
        part: _pair(name, arrays[f"{stem}-images"], arrays[f"{stem}-labels"], names, stem)
        for part, stem in (("train", "train"), ("test", "t10k"))
    }
    return parts, origin


def _idx_file(folder: Path | None, name: str, stem: str) -> Path | None:
    kind = "idx3-ubyte" if stem.endswith("images") else "idx1-ubyte"
    names = [f"{stem}{sign}{kind}{end}" for sign in "-." for end in ("", ".gz")]
    return files.local(folder, name, names)


def _pair(
    name: str,
    pixels: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    names: Mapping[str, str],
    stem: str,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    shape, classes = FACTS[name].shape, len(FACTS[name].classes)
    if pixels.ndim != 3 or pixels.shape[1:] != shape[:2] or not len(pixels):
        problem = f"{names[f'{stem}-images']} holds an array of shape {pixels.shape}."
        expected = f"pictures of {shape[0]} × {shape[1]}"
    elif labels.ndim != 1 or len(labels) != len(pixels):
        problem = f"{names[f'{stem}-labels']} holds {labels.size:,} labels."
        expected = f"one for each of the {len(pixels):,} pictures"
    elif int(labels.max()) >= classes:
        problem = f"{names[f'{stem}-labels']} holds the label {int(labels.max())}."
        expected = f"labels from 0 to {classes - 1}"
    else:
        return pixels[..., None], labels.astype(np.int64)
    raise DataError(problem, expected=expected, do="Fetch or copy the original files again.")


def _cifar10(name: str, settings: Settings, watch: Watch) -> tuple[_Parts, str]:
    batch = (f"{_CIFAR_BATCHES[0]}.bin", _CIFAR_BATCHES[0])
    path = files.local(settings.datasets_dir, name, (*_CIFAR_FOLDERS, *_CIFAR_TARS, *batch))
    if path is None:
        (original,) = _ORIGINALS[name]
        data = files.fetched(name, original, _mirrors(name, settings), settings, watch)
        return _cifar_parts(_tar(data, original.name), original.name), "its publisher's file"
    origin = "the folder that TELLAPART_DATASETS names"
    if path.is_file() and path.name in _CIFAR_TARS:
        return _cifar_parts(_tar(files.read(path), repr(str(path))), repr(str(path))), origin
    folder = path if path.is_dir() else path.parent

    def read(file: str) -> bytes | None:
        return files.read(folder / file) if (folder / file).is_file() else None

    return _cifar_parts(read, repr(str(folder))), origin


def _tar(data: bytes, name: str) -> Callable[[str], bytes | None]:
    """A reader of the batches in a tar file; nothing is unpacked to the disk."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar:
                file = member.name.rpartition("/")[2]
                wanted = file.removesuffix(".bin") in _CIFAR_BATCHES
                if wanted and member.isfile() and member.size <= cifar.MAX_BYTES:
                    content = tar.extractfile(member)
                    found[file] = content.read() if content else b""
    except (tarfile.TarError, EOFError, OSError, zlib.error, ValueError) as error:
        raise DataError(
            f"{name} cannot be unpacked ({error}).",
            expected=f"{' or '.join(_CIFAR_TARS)} as published",
            do="Fetch or copy the file again.",
        ) from None
    return found.get


def _cifar_parts(read: Callable[[str], bytes | None], where: str) -> _Parts:
    batches = []
    for batch in _CIFAR_BATCHES:
        for file, decode in ((f"{batch}.bin", cifar.decode_binary), (batch, cifar.decode_pickle)):
            data = read(file)
            if data is not None:
                batches.append(decode(data, f"The file {file} in {where}"))
                break
        else:
            raise DataError(
                f"{where} lacks the file {batch} of cifar10.",
                expected=f"{', '.join(_CIFAR_BATCHES)}, as .bin or as Python's batches",
                do="Fetch or copy the files again.",
            )
    train, test = batches[:-1], batches[-1]
    return {
        "train": (np.concatenate([x for x, _ in train]), np.concatenate([y for _, y in train])),
        "test": test,
    }


def _mirrors(name: str, settings: Settings) -> tuple[str, ...]:
    return settings.datasets_urls or _PUBLISHERS[name]


def _nowhere(name: str, settings: Settings, error: FetchError) -> FetchError:
    folder = settings.datasets_dir
    looked = (
        f"It does not lie in {str(folder)!r} (TELLAPART_DATASETS). "
        if folder
        else "TELLAPART_DATASETS names no folder. "
    )
    originals = ", ".join(original.name for original in _ORIGINALS[name])
    return type(error)(
        f"The data set {name!r} cannot be had. {looked}{error.what}",
        expected=f"its original files ({originals}) in a folder, or a mirror that answers with "
        "them, unharmed",
        do="Either copy the files into a folder and set TELLAPART_DATASETS to it, or set "
        "TELLAPART_DATASETS_URL to mirrors that can be reached, or take `digits` instead: 1,797 "
        "handwritten digits of 8 × 8 that need no network.",
        reason=error.reason,
    )

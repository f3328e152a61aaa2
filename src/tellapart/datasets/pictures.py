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
from tellapart.datasets.originals import ORIGINALS, PUBLISHERS
from tellapart.errors import DataError, FetchError

if TYPE_CHECKING:
    from tellapart.settings import Settings

#: (pictures uint8 (n, h, w, c), labels int64 (n,)) by official part.
_Parts = Mapping[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]

_IDX_STEMS = ("train-images", "train-labels", "t10k-images", "t10k-labels")
_CIFAR_FOLDERS = ("cifar-10-batches-bin", "cifar-10-batches-py")
_CIFAR_TARS = ("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz")
_CIFAR_BATCHES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")


#: The data set loaded last, by what its files were then: each step of a run asks for it.
_last: tuple[object, Arrays] | None = None


def load(name: str, settings: Settings, watch: Watch) -> Arrays:
    """See `datasets.load_arrays`."""
    global _last
    if name == "digits":
        return _digits()
    before = _files_now(name, settings)
    if _last is not None and before and _last[0] == (name, before):
        return _last[1]
    _last = None
    read = _cifar10 if name == "cifar10" else _idx
    watch(0, None, f"reading {name}")
    try:
        parts, origin = read(name, settings, watch)
    except FetchError as error:
        raise _nowhere(name, settings, error) from None
    arrays = _joined(name, parts, origin)
    _last = ((name, _files_now(name, settings)), arrays)
    return arrays


def _files_now(name: str, settings: Settings) -> list[tuple[str, int, int]]:
    """The files that `name` would be read from, each with its size and time of change."""
    found: list[Path | None]
    if name == "cifar10":
        found = [*_cifar_files(_cifar_path(settings.datasets_dir))]
    else:
        found = [_idx_file(settings.datasets_dir, name, stem) for stem in _IDX_STEMS]
    paths = [path for path in found if path is not None]
    if not paths:
        folder = files.cache(name, settings)
        paths = [folder / original.name for original in ORIGINALS[name]]
    try:
        stats = [(str(path), path.stat()) for path in paths]
    except OSError:
        return []
    return [(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats]


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
                + ", ".join(original.name for original in ORIGINALS[name])
                + " (.gz or not)",
                do="Copy that file there as well.",
            )
        _require_own(name, found["train-labels"])
        data = {stem: files.read(path) for stem, path in found.items() if path is not None}
        names = {stem: repr(str(path)) for stem, path in found.items()}
        origin = "the folder that TELLAPART_DATASETS names"
    else:
        data, names = {}, {stem: f"The file {stem} of {name}" for stem in _IDX_STEMS}
        for stem, original in zip(_IDX_STEMS, ORIGINALS[name], strict=True):
            packed = files.fetched(name, original, _mirrors(name, settings), settings, watch)
            data[stem] = files.unpacked(packed, original.name)
        origin = "its publisher's files"
    arrays = {stem: idx.decode(data[stem], names[stem]) for stem in _IDX_STEMS}
    parts = {
        part: _pair(name, arrays[f"{stem}-images"], arrays[f"{stem}-labels"], names, stem)
        for part, stem in (("train", "train"), ("test", "t10k"))
    }
    return parts, origin


def _require_own(name: str, labels: Path | None) -> None:
    """MNIST and Fashion-MNIST have files of the same names: tell one that lies as the other."""
    if labels is None:
        return
    content = hashlib.sha256(files.read(labels)).hexdigest()
    raw = hashlib.sha256(labels.read_bytes()).hexdigest()
    for other in ("mnist", "fashion_mnist"):
        original = ORIGINALS[other][1]
        if other != name and (raw == original.sha256 or content == original.content):
            raise DataError(
                f"The files in {str(labels.parent)!r} are those of {other}, not of {name}.",
                expected=f"the files of {name}",
                do=f"Put them into a folder {name!r} within the one that TELLAPART_DATASETS "
                f"names, and those of {other} into one called {other!r}.",
            )


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
    path = _cifar_path(settings.datasets_dir)
    if path is None:
        (original,) = ORIGINALS[name]
        data = files.fetched(name, original, _mirrors(name, settings), settings, watch)
        return _cifar_parts(_tar(data, original.name), original.name), "its publisher's file"
    origin = "the folder that TELLAPART_DATASETS names"
    if path.is_file():
        return _cifar_parts(_tar(files.read(path), repr(str(path))), repr(str(path))), origin
    there = {file.name: file for file in _cifar_files(path)}

    def read(file: str) -> bytes | None:
        return files.read(there[file]) if file in there else None

    return _cifar_parts(read, repr(str(path))), origin


def _cifar_path(folder: Path | None) -> Path | None:
    """The folder of the batches, or the archive that holds them."""
    batch = (f"{_CIFAR_BATCHES[0]}.bin", _CIFAR_BATCHES[0])
    path = files.local(folder, "cifar10", (*_CIFAR_FOLDERS, *_CIFAR_TARS, *batch))
    return path.parent if path is not None and path.name in batch else path


def _cifar_files(path: Path | None) -> list[Path]:
    if path is None or path.is_file():
        return [] if path is None else [path]
    batches = [path / f"{batch}{end}" for batch in _CIFAR_BATCHES for end in (".bin", "")]
    return [file for file in batches if file.is_file()]


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
    return settings.datasets_urls or PUBLISHERS[name]


def _nowhere(name: str, settings: Settings, error: FetchError) -> FetchError:
    folder = settings.datasets_dir
    looked = (
        f"It does not lie in {str(folder)!r} (TELLAPART_DATASETS). "
        if folder
        else "TELLAPART_DATASETS names no folder. "
    )
    originals = ", ".join(original.name for original in ORIGINALS[name])
    return type(error)(
        f"The data set {name!r} cannot be had. {looked}{error.what}",
        expected=f"its original files ({originals}) in a folder, or a mirror that answers with "
        "them, unharmed",
        do="Either copy the files into a folder and set TELLAPART_DATASETS to it, or set "
        "TELLAPART_DATASETS_URL to mirrors that can be reached, or take `digits` instead: 1,797 "
        "handwritten digits of 8 × 8 that need no network.",
        reason=error.reason,
    )

"""What the exporters of data sets share: samples out of a bundle, written whole or not at all."""

from __future__ import annotations

import csv
import io
import shutil
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

from tellapart.bundle import Bundle
from tellapart.bundle.archive import Archive, open_archive
from tellapart.bundle.dataset import FOLDER, SPLITS
from tellapart.datasets.samples import Sample, known
from tellapart.doors import Exporter
from tellapart.errors import DataError, StorageError

#: Of ATTRIBUTION.csv, beside the name of the file.
_CREDIT = ("title", "attribution")


class Convention(Exporter):
    """Writes labelled pictures as another program reads them."""

    def export(self, bundle: Bundle, target: Path) -> Path:
        """Write the bundle's data set into the folder `target`, which must be new or empty.

        Raises `DataError` where the bundle holds no picture or something lies there already.
        """
        with open_archive(bundle.path) as archive:
            samples = list(_samples(archive))
            if not samples:
                raise DataError(
                    f"The bundle {bundle.path.name!r} holds no pictures.",
                    expected="pictures whose licence allows passing them on",
                    do="Write your own pictures with `tellapart convert` instead.",
                )
            return self.write(samples, target)

    def write(self, samples: Iterable[Sample], target: Path) -> Path:
        """Write samples into the folder `target`, which must be new or empty: all, or none.

        Raises `DataError` where something lies there already, `StorageError` for a full disk.
        """
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise DataError(
                f"{str(target)!r} is there already.",
                expected="a new or empty folder",
                do="Choose another one, or remove it.",
            )
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            aside = Path(mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
            try:
                aside.chmod(0o755)
                self.lay_out(list(samples), aside)
                if target.is_dir():
                    target.rmdir()
                aside.rename(target)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        except OSError as error:
            raise StorageError(
                f"Nothing can be written to {str(target)!r}: {error.strerror or error}.",
                expected="enough room, and a folder that can be written to",
                do="Free some space or choose another folder.",
            ) from error
        return target

    @abstractmethod
    def lay_out(self, samples: Sequence[Sample], folder: Path) -> None:
        """Write into the empty folder `folder`."""


def classes_of(samples: Iterable[Sample]) -> list[str]:
    """All classes, by alphabet."""
    return sorted({sample.label for sample in samples})


def by_split(samples: Iterable[Sample]) -> Iterator[tuple[str, list[Sample]]]:
    """The splits that there are, those without one last."""
    found: dict[str, list[Sample]] = {split: [] for split in (*SPLITS, "")}
    for sample in samples:
        found[sample.split if sample.split in found else ""].append(sample)
    return ((split, inside) for split, inside in found.items() if inside)


def _samples(archive: Archive) -> Iterator[Sample]:
    """The pictures of a bundle's data set, in the order of its lists."""
    credit = {row["file"]: row for row in _rows(archive, f"{FOLDER}/ATTRIBUTION.csv")}
    for split in SPLITS:
        for row in _rows(archive, f"{FOLDER}/{split}/metadata.csv"):
            name = f"{FOLDER}/{split}/{row['file_name']}"
            said = credit.get(name, {})
            more = {key: _plain(said.get(key) or "") for key in _CREDIT}
            yield Sample(
                row["label"],
                name.rpartition("/")[2],
                partial(archive.read, name),
                split,
                known({**row, **more}),
            )


def _rows(archive: Archive, name: str) -> Iterator[Mapping[str, str]]:
    if name in archive:
        text = archive.read(name).decode("utf-8")
        yield from csv.DictReader(io.StringIO(text, newline=""))


def _plain(cell: str) -> str:
    """A cell as it was before it was kept from being a formula."""
    kept = cell[:1] == "'" and cell.lstrip("'")[:1] in ("=", "+", "-", "@")
    return cell[1:] if kept else cell

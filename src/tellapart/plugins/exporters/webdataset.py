"""WebDataset: tar shards; of each sample the picture, its class's number and all that is known."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tellapart.datasets.samples import Sample, uniquely
from tellapart.plugins.exporters.conventions import Convention, by_split, classes_of

#: A shard is closed above either; about a gigabyte is what readers expect.
_MOST_BYTES, _MOST_SAMPLES = 10**9, 10_000


class WebDataset(Convention):
    """`train-000000.tar`, …: `.jpg`, `.cls` (a number) and `.json`; `classes.txt` names them."""

    name = "webdataset"

    def lay_out(self, samples: Sequence[Sample], folder: Path) -> None:
        classes = classes_of(samples)
        (folder / "classes.txt").write_text("".join(f"{one}\n" for one in classes), "utf-8")
        for split, inside in by_split(samples):
            for number, shard in enumerate(_shards(inside)):
                path = folder / f"{split or 'data'}-{number:06d}.tar"
                with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
                    for sample, name, ending, data in shard:
                        facts = {"label": sample.label, "split": sample.split, **sample.facts}
                        known = {key: value for key, value in facts.items() if value}
                        text = json.dumps(known, ensure_ascii=False)
                        _add(tar, f"{name}{ending}", data)
                        _add(tar, f"{name}.cls", str(classes.index(sample.label)).encode())
                        _add(tar, f"{name}.json", text.encode())


def _shards(samples: Sequence[Sample]) -> Iterator[Iterator[tuple[Sample, str, str, bytes]]]:
    """Samples by shard, each read when it is written."""
    waiting = uniquely(samples)
    first = next(waiting, None)

    def shard() -> Iterator[tuple[Sample, str, str, bytes]]:
        nonlocal first
        size = count = 0
        while first is not None and size < _MOST_BYTES and count < _MOST_SAMPLES:
            sample, name, ending = first
            data = sample.read()
            size, count = size + len(data), count + 1
            yield sample, name, ending, data
            first = next(waiting, None)

    while first is not None:
        yield shard()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    tar.addfile(info, io.BytesIO(data))

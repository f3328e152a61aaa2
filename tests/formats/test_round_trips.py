"""Written by an exporter and read by the format of the same name: nothing is lost that fits."""

from __future__ import annotations

import io
import shutil
import tempfile
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from tellapart import registry
from tellapart.datasets.samples import FACTS, Sample
from tellapart.doors import Hit
from tellapart.plugins.exporters.conventions import Convention
from tellapart.plugins.formats.documents import FACTS as READ
from tellapart.steps.collect import find_format
from tellapart.steps.collect.unpacked import Unpack

#: What each convention holds beside pictures and classes.
HOLDS = {
    "autotrain": {"split"},
    "roboflow": {"split"},
    "fiftyone": {"split", "facts"},
    "labelstudio": {"split", "facts"},
    "webdataset": {"split", "facts"},
}


def _picture(number: int, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (3, 4, 3), np.uint8)
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def _word(text: str) -> str:
    """In the form that every reader brings labels and texts to."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _printable(text: str) -> bool:
    return not any(unicodedata.category(sign)[0] == "C" for sign in text)


_TEXT = st.text(st.characters(exclude_categories=("C",)), min_size=1, max_size=12).map(_word)
_WORDS = _TEXT.filter(bool).filter(_printable)
#: Names to which some reader or some system gives another meaning, by what is special in them.
SPECIAL = {
    "hidden": [".", "..", ".0", "٠.0", "...", ".git", ". a", ".a.", "..a"],
    "litter": ["__MACOSX", "__macosx_", "__MACOSX.x", "Thumbs.db", "DESKTOP.INI", "a/.b"],
    "splits": ["train", "Valid", "test", "dev", "training", "val.", "data", "validation"],
    "devices": ["con", "NUL", "aux.x", "com1", "lpt9.tar", "prn ."],
    "ends": ["a.", "b..", "c .", "d.zip", "e.tar.gz", "f.jpg", "g.tm"],
    "signs": ["a/b", "a\\b.", "/", "//", "a:", "C:", "what?", "<b>", "x|y", "a*", '"q", r', "'"],
    "escapes": ["%~x", "%~", "%2E", "%~%2E0", "%25", "%~%25", "~", "%"],
    "formulas": ["=1+1", "-1", "+1", "@a", "0", "1.0", "007", "1", "null", "[]", "{}", "#", "#a"],
    "words": ["filename", "label", "images", "classes.txt", "_classes.csv", "labels.json"],
    "unicode": ["grün 🍏", "ﬁ", "Ⅷ", "ß", "ΐ", "ı", "İ", "e\u0301a", "\u0344"],
    "wide": ["🍏" * 12, "/" + "🍏" * 11, "." + "漢" * 30],
    "long": ["a" * 200, "ü" * 120, "🍏" * 60],
}
_LABELS = st.lists(
    _WORDS | st.sampled_from([one for labels in SPECIAL.values() for one in labels]).map(_word),
    min_size=2,
    max_size=4,
    unique_by=lambda label: unicodedata.normalize("NFC", label.casefold()),
)
_KEPT = tuple(name for name in FACTS if name in READ and name not in ("license", "license_url"))


@st.composite
def _sets(draw: st.DrawFn) -> list[Sample]:
    labels = draw(_LABELS)
    splits = draw(st.sampled_from([[""], ["train", "validation", "test"], ["train", "test", ""]]))
    found = []
    for number in range(draw(st.integers(2, 6))):
        data = _picture(number)
        facts = draw(st.dictionaries(st.sampled_from(_KEPT), _WORDS, max_size=3))
        name = draw(st.sampled_from(["a.png", "b c.PNG", "ä:?.png", "1.2.png", "con.png"]))
        label, split = draw(st.sampled_from(labels)), draw(st.sampled_from(splits))
        found.append(Sample(label, name, lambda data=data: data, split, facts))  # type: ignore[misc]
    return found


def _each(labels: Sequence[str], names: Sequence[str] = ("a.png",)) -> list[Sample]:
    """A picture of each class under each name."""
    pairs = [(label, name) for label in labels for name in names]
    return [
        Sample(_word(label), name, partial(_picture, number), "train")
        for number, (label, name) in enumerate(pairs)
    ]


Row = tuple[bytes, str, str, tuple[tuple[str, str], ...]]


def _of_samples(samples: Sequence[Sample], holds: set[str]) -> list[Row]:
    return sorted(
        (
            sample.read(),
            _word(sample.label),
            sample.split if "split" in holds else "",
            tuple(sorted(sample.facts.items())) if "facts" in holds else (),
        )
        for sample in samples
    )


def _of_hits(hits: Sequence[Hit]) -> Iterator[Row]:
    for hit in hits:
        assert not hit.problem, hit
        assert hit.path is not None
        facts = {name: getattr(hit, name) or "" for name in _KEPT if hasattr(hit, name)}
        known = tuple(sorted((name, text) for name, text in facts.items() if text))
        yield hit.path.read_bytes(), hit.label or "", hit.split or "", known


def _round(name: str, samples: Sequence[Sample], folder: Path) -> list[Hit]:
    exporter = cast(type[Convention], registry.load("exporter", name))()
    written = exporter.write(samples, folder / "out")
    found = find_format(written, Unpack(folder / "work"))
    assert registry.load("format", name).recognizes(written)
    return list(found.read(written))


#: What pictures are called that needs care, beside those in `_sets`.
_FILES = ["Thumbs.db", ".a.png", "._b.png", "__MACOSX.png", "x", "X.PNG", "1.2", "a."]
_FILES += ["ü" * 200 + ".jpg", "漢" * 100]


def _with_examples(test: Callable[..., None]) -> Callable[..., None]:
    for labels in SPECIAL.values():
        test = example(samples=_each(labels))(test)
    return example(samples=_each(["a", "b"], _FILES))(test)


@pytest.mark.parametrize("name", sorted(HOLDS))
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(samples=_sets())
@_with_examples
def test_nothing_is_lost_that_the_format_can_hold(name: str, samples: list[Sample]) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        hits = _round(name, samples, folder)
        assert sorted(_of_hits(hits)) == _of_samples(samples, HOLDS[name])
        assert [hit.rank for hit in hits] == list(range(len(samples)))
    finally:
        shutil.rmtree(folder)

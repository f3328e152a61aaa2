"""What the picture web offers for a word, in order, and what is wrong with which picture."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from random import Random

from PIL import Image, ImageEnhance

from tellapart.demo.drawing import WORDS, draw, draw_card, draw_noise

#: Every planted fault, and the words by which the program may say that it found it: reasons of
#: rows that were not taken, or verdicts of pictures that were set aside.
FAULTS: dict[str, frozenset[str]] = {
    "exact_duplicate": frozenset(("exact_duplicate",)),
    "near_duplicate": frozenset(("near_duplicate",)),
    "off_topic": frozenset(("off_topic", "mislabelled", "low_information")),
    "mislabelled": frozenset(("mislabelled", "off_topic")),
    "html_as_jpeg": frozenset(("not_a_picture",)),
    "truncated": frozenset(("truncated", "unreadable")),
    "garbage": frozenset(("unreadable", "not_a_picture", "truncated")),
    "too_many_bytes": frozenset(("too_large",)),
    "too_many_pixels": frozenset(("too_large",)),
    "opted_out": frozenset(("opted_out",)),
    "robots": frozenset(("robots",)),
    "private_redirect": frozenset(("private_address",)),
    "gone": frozenset(("http_404",)),
    "mature": frozenset(("mature",)),
}
#: Faults planted once a word; the first three of `FAULTS` and `mislabelled` come more often.
SINGLE = tuple(kind for kind in list(FAULTS)[4:])
#: A good picture whose first request is answered "too many requests".
BUSY = "busy_once"

_LICENSES = (("by", "4.0"), ("by-sa", "4.0"), ("cc0", "1.0"), ("pdm", "1.0"), ("by", "2.0"))


@dataclass(frozen=True)
class Entry:
    """One picture on offer."""

    word: str
    #: `good`, `busy_once` or a key of `FAULTS`.
    kind: str
    #: Path on the server; says nothing of what is wrong.
    path: str
    #: What is drawn: a word of `WORDS`, or `noise`, or `card`.
    shown: str
    seed: int
    #: Pictures of one family are the same picture, exactly or nearly.
    family: str
    license: str
    license_version: str
    #: Which way a near duplicate was changed.
    variant: int = 0


def listing(word: str, words: Sequence[str], n: int, seed: int, *, faults: bool) -> list[Entry]:
    """What is offered for `word`, best first: `n` good pictures and, with `faults`, the others.

    Faults stand among the first half of the good pictures, so that a search for half as many
    meets most of them. The same for the same arguments on every machine.
    """
    rng = _dice("order", word, seed)
    base = int.from_bytes(hashlib.sha256(f"{word}\0{seed}".encode()).digest()[:4], "big")
    good = [_entry(word, "good", word, base + i, f"{word}-{base + i}") for i in range(n)]
    if not faults:
        return good
    early, late = good[: (n + 1) // 2], good[(n + 1) // 2 :]
    often = max(2, n // 14)
    planted: list[Entry] = []
    for i in range(often):
        first, second = early[2 * i % len(early)], early[(2 * i + 1) % len(early)]
        planted.append(_copy(first, "exact_duplicate", i))
        planted.append(_copy(second, "near_duplicate", i))
    foreign = [other for other in WORDS if other not in words] or ["noise"]
    others = [other for other in words if other != word]
    for i in range(often):
        shown = ("card", "noise", rng.choice(foreign))[i % 3]
        planted.append(_entry(word, "off_topic", shown, base + 5000 + i, f"off-{word}-{i}"))
    for i in range(often // 2 if others else 0):
        shown = rng.choice(others)
        planted.append(_entry(word, "mislabelled", shown, base + 6000 + i, f"mis-{word}-{i}"))
    # One is enough: while the server is busy, all requests to it wait.
    busy = (BUSY,) if word == words[0] else ()
    for i, kind in enumerate((*SINGLE, *busy)):
        planted.append(_entry(word, kind, word, base + 7000 + i, f"{kind}-{word}"))
    mixed = early + planted
    rng.shuffle(mixed)
    return mixed + late


def picture(entry: Entry, size: tuple[int, int]) -> bytes:
    """The bytes of an entry's picture (of what it pretends to be, for broken ones)."""
    if entry.kind == "html_as_jpeg":
        return b"<!DOCTYPE html><html><body>Please enable cookies.</body></html>"
    if entry.kind == "too_many_pixels":
        return _bomb()
    data = _encoded(_drawn(entry, size), 90)
    if entry.kind == "truncated":
        return data[: len(data) * 3 // 5]
    if entry.kind == "garbage":
        noise = _dice("garbage", entry.word, entry.seed)
        return b"\xff\xd8\xff\xe0" + noise.randbytes(4000)
    if entry.kind == "near_duplicate":
        return _changed(Image.open(BytesIO(data)), entry.variant)
    return data


def _drawn(entry: Entry, size: tuple[int, int]) -> Image.Image:
    if entry.shown == "noise":
        return draw_noise(entry.seed, size)
    if entry.shown == "card":
        return draw_card("special offer", entry.seed, size)
    return draw(entry.shown, entry.seed, size)


def _encoded(image: Image.Image, quality: int) -> bytes:
    out = BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def _changed(image: Image.Image, variant: int) -> bytes:
    """Recompressed, made smaller, cropped a little, or brightened."""
    width, height = image.size
    if variant % 4 == 1:
        return _encoded(image.resize((width * 2 // 3, height * 2 // 3)), 88)
    if variant % 4 == 2:
        edge_x, edge_y = width * 3 // 100, height * 3 // 100
        return _encoded(image.crop((edge_x, edge_y, width - edge_x, height - edge_y)), 88)
    if variant % 4 == 3:
        return _encoded(ImageEnhance.Brightness(image).enhance(1.12), 88)
    return _encoded(image, 50)


def _bomb() -> bytes:
    """A PNG of a few bytes whose header claims 40,000 × 40,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(4000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def _entry(word: str, kind: str, shown: str, seed: int, family: str, variant: int = 0) -> Entry:
    name = hashlib.sha256(f"{word}\0{kind}\0{seed}\0{variant}".encode()).hexdigest()[:16]
    folder = "private" if kind == "robots" else "files"
    license_code, version = _LICENSES[int(name[:2], 16) % len(_LICENSES)]
    path = f"/{folder}/{name}.jpg"
    return Entry(word, kind, path, shown, seed, family, license_code, version, variant)


def _copy(entry: Entry, kind: str, variant: int) -> Entry:
    return _entry(entry.word, kind, entry.shown, entry.seed, entry.family, variant)


def _dice(kind: str, word: str, seed: int) -> Random:
    digest = hashlib.sha256(f"{kind}\0{word}\0{seed}".encode()).digest()
    return Random(int.from_bytes(digest[:8], "big"))  # noqa: S311 - pictures, not secrets

"""The demonstration's outcome for people: what was found, set aside and why, and how well."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from tellapart.demo.run import Demo

_MEANING = {
    "exact_duplicate": "the same file again",
    "near_duplicate": "recompressed, resized, cropped or brightened",
    "off_topic": "a card, noise, another thing",
    "mislabelled": "a picture of another class",
    "html_as_jpeg": "a page that calls itself a JPEG",
    "truncated": "a JPEG without its end",
    "garbage": "a JPEG's head and noise",
    "too_many_bytes": "a file of 12 MB",
    "too_many_pixels": "a header that claims 1.6 billion pixels",
    "opted_out": "an owner who says: not for training",
    "robots": "a path that robots.txt closes",
    "private_redirect": "a redirect into a private network",
    "gone": "a file that is not there",
    "mature": "a hit marked as mature",
}
#: Columns from which a fault's meaning has room beside its figures.
_WIDE = 70


def show(demo: Demo, console: Console, program: str = "tellapart") -> None:
    """Print the outcome; `program`: what to type for this program.

    The pictures are drawn: the figures say nothing of real ones.
    """
    for part in _tables(demo, explain=console.width >= _WIDE):
        console.print(part)
    for line in _sentences(demo):
        console.print(line, markup=False, highlight=False)
    for line in _next(demo, program):
        # Never broken by us: what is copied from a terminal must be one line.
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _tables(demo: Demo, *, explain: bool) -> Iterator[RenderableType]:
    from rich import box
    from rich.table import Table

    look: dict[str, Any] = {"title_justify": "left", "box": box.SIMPLE_HEAD, "pad_edge": False}
    counts = demo.result.pictures
    classes = Table(title="What was found, by class", **look)
    classes.add_column("class")
    for name in ("found", "kept", "set aside", "not usable"):
        classes.add_column(name, justify="right")
    classes.add_column("set aside because")
    for label, own in counts["classes"].items():
        unusable = sum(own["statuses"].get(s, 0) for s in ("failed", "refused"))
        why = ", ".join(f"{word} {n}" for word, n in own["reasons"].items())
        figures = (own["found"], own["kept"], own["set_aside"], unusable)
        classes.add_row(label, *map(str, figures), why)
    yield classes

    faults = Table(title="Planted faults, by the web's own list", **look)
    for name in ("fault", "what it is") if explain else ("fault",):
        faults.add_column(name, no_wrap=not explain)
    for name in ("met", "found", "precision", "recall"):
        faults.add_column(name, justify="right")
    for s in demo.scores:
        figures = (str(s.planted), str(s.found), f"{s.precision:.2f}", f"{s.recall:.2f}")
        words = (s.kind, _MEANING.get(s.kind, "")) if explain else (s.kind,)
        faults.add_row(*words, *figures)
    yield faults


def _sentences(demo: Demo) -> Iterator[str]:
    metrics = demo.result.metrics
    yield (
        f"Test accuracy: {100 * metrics['accuracy']:.1f} % (95 % interval "
        f"{100 * metrics['low']:.1f} % to {100 * metrics['high']:.1f} %, {metrics['n']} test "
        f"pictures; always the commonest class: {100 * metrics['baseline']:.1f} %)."
    )
    right, own_new = demo.new_right
    refused, foreign = demo.foreign_refused
    yield (
        f"New pictures drawn for the purpose: {right} of {own_new} told right; of {foreign} "
        f"pictures of other things {refused} refused as none of the classes."
    )
    yield f"It took {demo.seconds:.0f} s and {demo.requests} requests, all to this machine."
    yield "These pictures are drawn by the program; real ones are harder.\n"


def _next(demo: Demo, program: str) -> Iterator[str]:
    bundle, picture = (shlex.quote(_near(p)) for p in (demo.result.bundle, demo.new[0].path))
    yield f"The report, for a browser:   {_near(demo.report)}"
    yield f"Ask the bundle:              {program} predict {bundle} {picture}"
    yield f"The same from real pictures: {program} make apple pear"


def _near(path: Path) -> str:
    """`path` as seen from here where it lies below, else as it is."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)

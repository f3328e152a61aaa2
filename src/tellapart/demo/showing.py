"""The demonstration's outcome for people: what was found, set aside and why, and how well."""

from __future__ import annotations

from collections.abc import Iterator
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


def show(demo: Demo, console: Console) -> None:
    """Print the outcome. The pictures are drawn: the figures say nothing of real ones."""
    for part in _parts(demo):
        console.print(part)


def _parts(demo: Demo) -> Iterator[RenderableType]:
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
    for name in ("fault", "what it is"):
        faults.add_column(name)
    for name in ("met", "found", "precision", "recall"):
        faults.add_column(name, justify="right")
    for s in demo.scores:
        figures = (str(s.planted), str(s.found), f"{s.precision:.2f}", f"{s.recall:.2f}")
        faults.add_row(s.kind, _MEANING.get(s.kind, ""), *figures)
    yield faults

    metrics = demo.result.metrics
    yield (
        f"Test accuracy {metrics['accuracy']:.3f} (95 % interval {metrics['low']:.3f} to "
        f"{metrics['high']:.3f}, {metrics['n']} pictures; always the most frequent class: "
        f"{metrics['baseline']:.3f})."
    )
    right, own_new = demo.new_right
    refused, foreign = demo.foreign_refused
    yield (
        f"New pictures drawn for the purpose: {right} of {own_new} told right; of {foreign} "
        f"pictures of other things {refused} refused as none of the classes."
    )
    yield f"Bundle: {demo.result.bundle}"
    yield f"Try it: tellapart predict {demo.result.bundle} {demo.new[0].path}"
    yield f"It took {demo.seconds:.0f} s and {demo.requests} requests, all to this machine."
    yield (
        "These pictures are drawn by the program; real ones are harder. The same with real "
        "pictures:\n\n    tellapart make apple pear"
    )

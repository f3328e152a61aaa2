"""What a run says on standard output while it works: a network is built, trained, compiled.

Each line is flushed as it happens, for whoever reads along. With `--json` it is a JSON object with
the key `event`, and so is every epoch; the result, which has no such key, is the last line.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tellapart.cli.console import emit, write
from tellapart.cli.progress import share, watching

if TYPE_CHECKING:
    from tellapart import Progress

#: In the order in which they come.
SIGNALS = ("built", "trained", "compiled")

#: How formats of a model are called.
_FORMATS = {"onnx": "ONNX", "coreml": "Core ML", "mlmodel": ".mlmodel", "mlpackage": ".mlpackage"}


@contextlib.contextmanager
def following(quiet: bool, as_json: bool) -> Iterator[Callable[[Progress], None]]:
    """Who watches a run: the display on standard error, and the signals on standard output."""
    with watching(quiet) as display:
        if quiet:
            yield display
            return

        def watch(event: Progress) -> None:
            try:
                say(event, as_json=as_json)
            finally:  # a reader who has gone does not take the display with him
                display(event)

        yield watch


def say(event: Progress, *, as_json: bool) -> None:
    """Put a signal, and with `as_json` the end of an epoch, on standard output, flushed."""
    figures = dict(event.figures or {})
    if event.signal:
        if as_json:
            emit({"event": event.signal, **_plain(figures)})
        else:
            write(f"{event.signal} {_LINES.get(event.signal, _unknown)(figures)}".strip())
    elif as_json and "epoch" in figures:
        emit({"event": "epoch", **_plain(figures)})


def _built(figures: Mapping[str, Any]) -> str:
    parts = [f"{figures[key]:,} {key}" for key in ("rows", "columns", "classes") if key in figures]
    if "layers" in figures:
        layers = figures["layers"]
        number = layers if isinstance(layers, int) else len(layers)
        parts.append(f"{number} layer" if number == 1 else f"{number} layers")
    if "parameters" in figures:
        parts.append(f"{figures['parameters']:,} parameters")
    return ", ".join(parts)


def _trained(figures: Mapping[str, Any]) -> str:
    parts = []
    if "epochs" in figures or "epoch" in figures:
        epochs = figures.get("epochs", figures.get("epoch"))
        parts.append(f"{epochs} epoch" if epochs == 1 else f"{epochs} epochs")
    if isinstance(figures.get("accuracy"), int | float):
        parts.append(f"validation accuracy {share(figures['accuracy'])}")
    if figures.get("finished") is False:
        parts.append("stopped before its end")
    return ", ".join(parts)


def _compiled(figures: Mapping[str, Any]) -> str:
    return ", ".join(_FORMATS.get(name, name) for name in map(str, figures.get("formats") or ()))


def _unknown(figures: Mapping[str, Any]) -> str:
    return ""


_LINES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "built": _built,
    "trained": _trained,
    "compiled": _compiled,
}


def _plain(value: Any) -> Any:
    """`value` as JSON has it: what is no finite number is null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

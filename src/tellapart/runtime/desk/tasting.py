"""What looks at pictures or learns for a deck: in a process of its own where pages are answered.

A network takes memory that pages do not have, and a fit holds the interpreter.
"""

from __future__ import annotations

import base64
import contextlib
import importlib
import threading
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from tellapart import images
from tellapart.bundle.overlay import why_overlay
from tellapart.deck import Deck
from tellapart.errors import TellapartError
from tellapart.runtime.thinker import Thinker
from tellapart.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

_SLOW = frozenset({"learn", "retrain"})
#: Longest side of a picture with its heat, and its quality.
_SIDE, _QUALITY = 512, 85


class Tasting:
    """Asks a child, or (`apart` false, as on the command line) works here. Threads may share it."""

    def __init__(self, apart: bool) -> None:
        #: What a person waits for, and what takes its time: learning holds up no order.
        self._quick = Thinker() if apart else None
        self._slow = Thinker() if apart else None
        self._lock = threading.Lock()
        self._learning: set[str] = set()

    def ask(
        self,
        engine: Engine,
        settings: Settings,
        deck: str,
        verb: str,
        values: Mapping[str, Any],
        patience: float = 30.0,
    ) -> Any:
        """What `_VERBS[verb]` gives for a deck of the settings' owner, JSON-able.

        Raises `OverloadedError` where others' take longer than `patience` (seconds).
        """
        soon = verb not in _SLOW or bool(values)  # a correction is waited for
        child = self._quick if soon else self._slow
        if child is None:
            return answer(engine, settings, deck, verb, values)
        asked = {"deck": deck, "verb": verb, "values": dict(values)}
        return child.ask("taste", settings, patience=patience, **asked)["found"]

    def warm(self, engine: Engine, settings: Settings, deck: str) -> None:
        """Have what a person will soon wait for imported and loaded, out of their sight."""
        if self._quick is None or self._quick.awake:
            return

        def look() -> None:
            with contextlib.suppress(TellapartError):
                self.ask(engine, settings, deck, "warm", {})

        threading.Thread(target=look, daemon=True).start()

    def learn_soon(self, deck: str, learn: Callable[[], None]) -> None:
        """Call `learn` once the caller has been answered; once for a deck at a time."""
        if self._slow is None:
            learn()
            return
        with self._lock:
            if deck in self._learning:
                return
            self._learning.add(deck)
        threading.Thread(target=self._learn, args=(deck, learn), daemon=True).start()

    def _learn(self, deck: str, learn: Callable[[], None]) -> None:
        try:
            learn()
        finally:
            with self._lock:
                self._learning.discard(deck)

    def close(self) -> None:
        """End the children."""
        for child in (self._quick, self._slow):
            if child is not None:
                child.close()


def answer(
    engine: Engine, settings: Settings, deck: str, verb: str, values: Mapping[str, Any]
) -> Any:
    """Do it here and now."""
    return _VERBS[verb](Deck.open(engine, settings, deck), **values)


def _review(deck: Deck, limit: int, skip: Sequence[str]) -> list[str]:
    return [row.id for row in deck.review_next(limit, tuple(skip))]


def _progress(deck: Deck) -> dict[str, Any]:
    return deck.progress()


def _warm(deck: Deck) -> None:
    importlib.import_module("scipy.optimize")  # a fit needs it: seconds where others work
    deck.progress()


def _learned(deck: Deck, candidate: str = "") -> dict[str, Any]:
    return deck.learn(candidate)


def _retrain(deck: Deck) -> str:
    return deck.retrain().id


def _heat(deck: Deck, candidate: str, position: int) -> str:
    """A picture with what spoke for a like laid over it, JPEG in base64."""
    heat = deck.heat(candidate, position)
    image = images.decode(deck.picture(candidate, position), hint=_SIDE)
    image.thumbnail((_SIDE, _SIDE))
    out = BytesIO()
    why_overlay(image, heat).save(out, "JPEG", quality=_QUALITY)
    return base64.b64encode(out.getvalue()).decode()


_VERBS: dict[str, Callable[..., Any]] = {
    "review": _review,
    "progress": _progress,
    "warm": _warm,
    "learn": _learned,
    "retrain": _retrain,
    "heat": _heat,
}

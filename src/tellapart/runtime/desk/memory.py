"""What a server's desks remember for a moment, so that a page does not count thousands of rows."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Hashable
from typing import IO, Any, TypeVar, cast

from tellapart.runtime.desk.tasting import Tasting
from tellapart.runtime.thinker import Thinker

T = TypeVar("T")
_MOST = 2048


class Memory:
    """Values for some seconds, by a project's key and what they are. Threads may share it."""

    def __init__(self, *, apart: bool = False) -> None:
        """`apart`: networks of decks are loaded in a process of their own."""
        self._lock = threading.Lock()
        self._values: dict[tuple[Hashable, Hashable], tuple[float, Any]] = {}
        #: So many pictures are made small at once; the others wait, and pages are answered.
        self.drawing = threading.BoundedSemaphore(2)
        #: What takes a core for a second is done in a process of its own, one thing at a time.
        self.thinker = Thinker()
        #: What looks at pictures or learns for decks.
        self.tasting = Tasting(apart)
        #: Files of exports under way by account: they go with whoever reads them.
        self._exports: weakref.WeakValueDictionary[str, IO[bytes]] = weakref.WeakValueDictionary()

    def close(self) -> None:
        """End the processes."""
        self.thinker.close()
        self.tasting.close()

    def begin_export(self, owner: str, file: IO[bytes]) -> bool:
        """Note that `file` is the account's export; False where it has one that is open."""
        with self._lock:
            other = self._exports.get(owner)
            if other is not None and not other.closed:
                return False
            self._exports[owner] = file
            return True

    def get(self, whose: Hashable, what: Hashable, make: Callable[[], T], seconds: float) -> T:
        """What `make` gave within the last `seconds`, or gives now."""
        key = (whose, what)
        with self._lock:
            found = self._values.get(key)
        if found is not None and found[0] > time.monotonic():
            return cast(T, found[1])
        value = make()
        with self._lock:
            if len(self._values) >= _MOST:
                self._drop_old()
            self._values[key] = (time.monotonic() + seconds, value)
        return value

    def forget(self, whose: Hashable) -> None:
        """What is remembered of it is not true any more."""
        with self._lock:
            for key in [key for key in self._values if key[0] == whose]:
                del self._values[key]

    def _drop_old(self) -> None:
        at = time.monotonic()
        self._values = {key: found for key, found in self._values.items() if found[0] > at}
        if len(self._values) >= _MOST:
            self._values.clear()

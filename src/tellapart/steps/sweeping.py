"""Going through very many rows: the interpreter then looks for garbage seldom.

Rows are tuples that die by themselves, but each few hundred of them make it look at all that is
alive, imported modules too: a third of the time of a large set.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

#: New objects between two looks at the young ones; the rest as the interpreter has it.
_SELDOM = 50_000


@contextmanager
def sweeping() -> Iterator[None]:
    """While this lasts, garbage is looked for seldom; as before afterwards."""
    before = gc.get_threshold()
    gc.set_threshold(_SELDOM, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)

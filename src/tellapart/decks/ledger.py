"""A deck's ledger: all its parts in one."""

from __future__ import annotations

from tellapart.decks.heads import Heads
from tellapart.decks.labels import Labels
from tellapart.decks.listing import Listing
from tellapart.decks.results import Results
from tellapart.decks.stream import Stream
from tellapart.decks.verdicts import Verdicts


class Ledger(Listing, Stream, Verdicts, Labels, Heads, Results):
    """One deck in the database: `Ledger(engine, id)`; `listing.find` tells the id."""

"""A stand-in for the services that decks talk to: a real HTTP server on loopback.

It speaks two tongues over one stream of drawn candidates: that of the deck source `tinder` (at
`tinder_url`) and the deck protocol of `http` (at `deck_url`). It keeps its own log of what it was
asked and of what it did, and it can be told to misbehave, before or after it has done the act.

    python -m benchmarks.standin --port 0 --log acts.jsonl

prints its addresses as one line of JSON and serves until it is stopped; `GET /log` and
`POST /tell` then do what the methods do.
"""

from benchmarks.standin.habits import FAULTS
from benchmarks.standin.people import Person, crowd
from benchmarks.standin.service import TOKEN, Logged, Standin

__all__ = ["FAULTS", "TOKEN", "Logged", "Person", "Standin", "crowd"]

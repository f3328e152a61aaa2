"""What forgetting did, for whoever asked for it. Names nothing of what is gone."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Withdrawn:
    """A bundle that had held what is gone: its file is removed, nobody is served it any more.

    Copies that left the house are known by `sha256`.
    """

    owner: str
    project: str
    version: int
    file: str
    sha256: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Certificate:
    """What was removed, by place, and what a search of everything found afterwards."""

    #: `picture`, `creator`, `candidate` or `user`.
    kind: str
    at: str
    #: Place → what was removed there, counted.
    removed: dict[str, dict[str, int]] = field(default_factory=dict)
    withdrawn: tuple[Withdrawn, ...] = ()
    #: Projects whose work begins anew, as `owner/name` or `name`.
    begin_anew: tuple[str, ...] = ()
    #: Whether everything was searched at the end, and how much that was.
    searched: dict[str, int] = field(default_factory=dict)
    #: Where something was found all the same; empty: nowhere.
    remains: tuple[str, ...] = ()
    #: What this program cannot reach, and what a person is to do about it.
    notes: tuple[str, ...] = ()

    @property
    def gone(self) -> bool:
        """Whether the search found nothing."""
        return not self.remains

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "gone": self.gone}

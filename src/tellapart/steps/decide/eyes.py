"""Eyes on one candidate: its pictures are fetched and looked at only when the policy asks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tellapart import images
from tellapart.decks.ledger import Ledger
from tellapart.decks.stream import Seen
from tellapart.errors import FetchError, PictureError, TellapartError
from tellapart.forgetting import Refusals
from tellapart.policy import Judged
from tellapart.steps.decide.tasting import Judge
from tellapart.store.files import write_file

if TYPE_CHECKING:
    from tellapart.policy import AgeEstimate

#: Pictures of one candidate that are looked at.
MOST_PICTURES = 30


class AgeModel(Protocol):
    """Estimates the ages of all faces in a picture; raises where it cannot."""

    def ages(self, pixels: np.ndarray) -> Sequence[AgeEstimate]: ...


class Album:
    """One candidate's pictures: fetched once, all together, when the first is asked for."""

    def __init__(
        self,
        ledger: Ledger,
        folder: Path,
        seen: Seen,
        fetch: Callable[[Sequence[int]], Sequence[bytes | TellapartError]],
        refusals: Refusals,
    ) -> None:
        self._ledger = ledger
        self._folder = folder
        self._seen = seen
        self._fetch = fetch
        self._refusals = refusals
        self._data: dict[int, bytes] | None = None
        #: Why a picture is not there, by position.
        self.problems: dict[int, str] = {}

    def __len__(self) -> int:
        return min(len(self._seen.pictures), MOST_PICTURES)

    def get(self, position: int) -> bytes | None:
        """A picture's bytes; None: see `problems`."""
        if self._data is None:
            self._data = self._all()
        return self._data.get(position)

    def take(self, given: Mapping[int, bytes]) -> None:
        """Keep pictures that came with their candidate."""
        for position, data in list(given.items())[:MOST_PICTURES]:
            self._keep(position, data)

    def _all(self) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        missing: list[int] = []
        for _, position, url, _, sha in self._seen.pictures[:MOST_PICTURES]:
            if self._refusals and self._refusals.picture(sha256=sha, url=url):
                self.problems[position] = "it was forgotten and is not looked at again"
                continue
            data = kept(self._folder, sha)
            if data is None:
                missing.append(position)
            else:
                found[position] = data
        for position, got in zip(missing, self._fetch(missing) if missing else (), strict=True):
            if isinstance(got, TellapartError):
                self.problems[position] = _why(got)
            elif self._keep(position, got):
                found[position] = got
        return found

    def _keep(self, position: int, data: bytes) -> bool:
        """Keep a picture's file beside its row; whether it may be looked at."""
        sha = hashlib.sha256(data).hexdigest()
        if self._refusals and self._refusals.picture(sha256=sha):
            self.problems[position] = "it was forgotten and is not looked at again"
            return False
        row = next(one for one in self._seen.pictures if one[1] == position)
        try:
            _, width, height = images.probe(data)
        except PictureError as error:
            self.problems[position] = _why(error)
            return False
        write_file(self._folder / "pictures" / sha, data)
        self._ledger.fetched(row[0], sha, width, height)
        return True


class Looking:
    """The eyes of one candidate, as a policy uses them (`tellapart.policy.Eyes`)."""

    def __init__(
        self, album: Album, judge: Callable[[], Judge], ages: Callable[[], AgeModel | None]
    ) -> None:
        self._album = album
        self._judge = judge
        self._ages = ages
        #: What was asked for, by position, and the score of all together.
        self.judged: dict[int, Judged] = {}
        self.all_together: float | None = None
        #: What the model saw, by position, as float32 bytes.
        self.features: dict[int, bytes] = {}

    def judge(self) -> Iterator[Judged]:
        """The model's word on the pictures, one at a time."""
        judge = self._judge()
        for position in range(len(self._album)):
            one = self._one(judge, position)
            self.judged[position] = one
            yield one

    def whole(self, judged: Sequence[Judged]) -> float | None:
        """The learned score of all pictures together."""
        taste = self._judge().taste
        if taste is not None:
            self.all_together = taste.whole([one.score for one in judged])
        return self.all_together

    def ages(self) -> Sequence[AgeEstimate] | None:
        """An estimate for every face in every picture; None: no age model is at hand."""
        model = self._ages()
        if model is None:
            return None
        found: list[AgeEstimate] = []
        for position in range(len(self._album)):
            data = self._album.get(position)
            if data is None:
                raise PictureError(
                    f"Picture {position + 1} cannot be looked at.",
                    expected="every picture of a person",
                    do="Decide by hand.",
                )
            found += model.ages(np.asarray(images.decode(data)))
        return found

    def _one(self, judge: Judge, position: int) -> Judged:
        data = self._album.get(position)
        if data is None:
            return Judged(position, None, self._album.problems.get(position, "it is not there"))
        look = judge.sight.look([data])[0]
        if look.features is None:
            self._album.problems[position] = look.problem
            return Judged(position, None, look.problem)
        self.features[position] = look.features.astype("<f4").tobytes()
        if judge.taste is None:
            return Judged(position, None, "no taste has been learned yet")
        return Judged(position, float(judge.taste.score(look.features)[0]))


class Estimates:
    """Ages by the model that these settings name; nothing of them is kept."""

    def __init__(self, look: Callable[[np.ndarray], Sequence[object]]) -> None:
        self._look = look

    def ages(self, pixels: np.ndarray) -> Sequence[AgeEstimate]:
        """Raises `PictureError` for a face whose age cannot be estimated."""
        found = [getattr(face, "age", None) for face in self._look(pixels)]
        if any(age is None for age in found):
            raise PictureError(
                "The age of a face cannot be estimated.",
                expected="an estimate for every face",
                do="Decide by hand.",
            )
        return found  # type: ignore[return-value]


def kept(folder: Path, sha: str) -> bytes | None:
    """A picture's file; None where it is not there."""
    if not sha:
        return None
    try:
        return (folder / "pictures" / sha).read_bytes()
    except OSError:
        return None


def _why(error: TellapartError) -> str:
    """Why a picture is not there, without an address in it."""
    if isinstance(error, FetchError | PictureError):
        return f"it could not be used ({error.reason})"
    return f"it could not be fetched ({error.code})"

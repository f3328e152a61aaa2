"""The demonstration: the real program on a small web of drawn pictures with planted faults."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import tellapart
from tellapart.demo.drawing import WORDS, draw
from tellapart.demo.picture_web import PictureWeb
from tellapart.demo.scoring import Score, score
from tellapart.errors import VerificationError
from tellapart.settings import Settings

NAME = "demo"
#: What the demonstration tells apart; other drawings play the foreign ones.
CLASSES = ("apple", "boat", "fish", "house", "star")
_LEAST = 0.9
#: Far from the seeds of everything that the web serves.
_NEW_SEED = 10_000_000_000
_NEW_EACH = 8


@dataclass(frozen=True)
class New:
    """What the bundle said of one picture that it has never seen."""

    shown: str
    path: Path
    label: str
    #: The bundle's answer is "none of these".
    abstained: bool
    probability: float


@dataclass(frozen=True)
class Demo:
    """Everything the demonstration has to show."""

    result: tellapart.Result
    scores: list[Score]
    #: Pictures of the classes, then foreign ones, all drawn anew.
    new: list[New]
    requests: int
    seconds: float

    @property
    def report(self) -> Path:
        """The run's report, beside the bundle."""
        return self.result.bundle.with_name("report.html")

    @property
    def new_right(self) -> tuple[int, int]:
        """(right, all) of the new pictures of the classes; "none of these" is not right."""
        own = [new for new in self.new if new.shown in CLASSES]
        return sum(n.label == n.shown and not n.abstained for n in own), len(own)

    @property
    def foreign_refused(self) -> tuple[int, int]:
        """(refused, all) of the new pictures of other things."""
        foreign = [new for new in self.new if new.shown not in CLASSES]
        return sum(new.abstained for new in foreign), len(foreign)

    def check(self) -> None:
        """Raise `VerificationError` where precision or recall of a planted fault is below .9."""
        poor = [s for s in self.scores if min(s.precision, s.recall) < _LEAST]
        if poor:
            figures = "; ".join(
                f"{s.kind}: precision {s.precision:.2f}, recall {s.recall:.2f}" for s in poor
            )
            raise VerificationError(
                f"The demonstration missed planted faults ({figures}).",
                expected=f"precision and recall of at least {_LEAST} for every kind",
                do="Run `tellapart doctor`; if all is well there, report this as a fault.",
            )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able: the run's result, the scores, and the new pictures."""
        return {
            **self.result.to_dict(),
            "faults": [
                {**asdict(s), "precision": round(s.precision, 4), "recall": round(s.recall, 4)}
                for s in self.scores
            ],
            "new": {"right": list(self.new_right), "foreign_refused": list(self.foreign_refused)},
            "requests": self.requests,
            "demo_seconds": round(self.seconds, 2),
        }


def run_demo(
    out: Path,
    *,
    settings: Settings | None = None,
    progress: Callable[[tellapart.Progress], None] | None = None,
    classes: Sequence[str] = CLASSES,
    per_class: int = 40,
    seed: int = 0,
) -> Demo:
    """Collect, train and package `classes` against a picture web on this machine.

    Works in `out`/home (an earlier demonstration there is replaced) and leaves the bundle,
    its report and some new pictures in `out`. Raises what the steps raise; `Demo.check` judges
    the outcome.
    """
    start = time.perf_counter()
    out = Path(out).absolute()
    out.mkdir(parents=True, exist_ok=True)
    with PictureWeb(classes, n=per_class * 3 // 2, seed=seed, big=12_000_000) as web:
        own = replace(
            settings or Settings.from_env(),
            home=out / "home",
            openverse_url=web.openverse_url,
            openverse_token=None,
            commons_url=web.commons_url,
            allow_hosts=(web.host,),
            trust_proxies=False,
            max_download_mb=10.0,
        )
        if NAME in tellapart.Project.names(own):
            # Its pictures came from a web that is gone.
            tellapart.Project.open(NAME, own).delete()
        result = tellapart.make(
            list(classes),
            name=NAME,
            out=out,
            per_class=per_class,
            seed=seed,
            settings=own,
            progress=progress,
        )
        shutil.copyfile(own.projects_dir / NAME / "work" / "report.html", out / "report.html")
        entries = {web.url(entry): entry for entry in web.entries.values()}
        scores = score(tellapart.Project.open(NAME, own).pictures(), entries)
        requests = sum(web.requests.values())
    new = _predict(result.bundle, out / "new", classes)
    return Demo(result, scores, new, requests, time.perf_counter() - start)


def _predict(bundle: Path, folder: Path, classes: Sequence[str]) -> list[New]:
    """Draw pictures nobody has seen and ask the bundle about them."""
    folder.mkdir(exist_ok=True)
    foreign = [word for word in WORDS if word not in classes]
    shown = [(word, i) for word in classes for i in range(_NEW_EACH)]
    shown += [(word, 0) for word in foreign]
    paths = []
    for word, i in shown:
        paths.append(folder / f"{word}-{i}.png")
        draw(word, _NEW_SEED + i).save(paths[-1])
    answers = tellapart.Bundle.load(bundle).predict(paths)
    return [
        New(
            shown=word,
            path=path,
            label=answer.label or "",
            abstained=answer.abstained,
            probability=max(answer.probabilities.values(), default=0.0),
        )
        for (word, _), path, answer in zip(shown, paths, answers, strict=True)
    ]

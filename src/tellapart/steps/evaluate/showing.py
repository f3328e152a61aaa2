"""The pictures a report shows: the surest mistakes, and examples of what was set aside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tellapart.bundle import licenses
from tellapart.catalog import PictureRow
from tellapart.errors import NotFoundError, PictureError, StorageError
from tellapart.learn import measuring
from tellapart.report import Aside, Mistake, Shot
from tellapart.report.pictures import thumbnail
from tellapart.settings import Settings
from tellapart.steps.evaluate.figures import Answers
from tellapart.store.files import FileStore

#: Wrong answers shown; pictures set aside shown for each reason, alone or beside their double:
#: what fills two rows or one of a wide page.
MISTAKES, ASIDES, PAIRS = 14, 7, 6


class Shots:
    """Makes the thumbnails of one report; each picture once."""

    def __init__(self, settings: Settings) -> None:
        self._files = FileStore(settings.files_dir)
        self._made: dict[str, str] = {}

    def of(self, row: PictureRow, *, only_free: bool) -> Shot:
        """With `only_free`, a picture that may not be passed on comes without its pixels.

        A thumbnail is a derivative, so that pictures under ND count among them.
        """
        license = licenses.read(row.license)
        free = license.may_pass_on and not license.noderivatives
        known = license.code != licenses.UNKNOWN
        version = f" {row.license_version}" if known and row.license_version else ""
        credit = [row.creator, license.title + version if known else ""]
        return Shot(
            id=row.id,
            uri=self._uri(row) if free or not only_free else "",
            label=row.label,
            title=row.title,
            page=row.page_url or row.file_url,
            credit=", ".join(part for part in credit if part),
        )

    def _uri(self, row: PictureRow) -> str:
        if row.sha256 not in self._made:
            try:
                data = measuring.reader(self._files, row.sha256, row.path)()
                self._made[row.sha256] = thumbnail(data)
            except (PictureError, NotFoundError, StorageError):
                self._made[row.sha256] = ""
        return self._made[row.sha256]


Show = Callable[[PictureRow], Shot]


def mistakes(
    show: Show, rows: Sequence[PictureRow], answers: Answers, surest: Sequence[int]
) -> list[Mistake]:
    """The wrong answers at the places `surest` of the test pictures `rows`."""
    return [
        Mistake(
            shot=show(rows[place]),
            answer=answers.classes[int(answers.probabilities[place].argmax())],
            probability=round(float(answers.probabilities[place].max()), 6),
            truth_probability=round(float(answers.probabilities[place, answers.y[place]]), 6),
            refused=bool(answers.refused[place]),
        )
        for place in surest[:MISTAKES]
    ]


def asides(show: Show, rows: Sequence[PictureRow]) -> list[Aside]:
    """Examples of each reason, most frequent reason first, from as many classes as there are."""
    by_id = {row.id: row for row in rows}
    found: dict[str, list[PictureRow]] = {}
    for row in rows:
        if row.status == "ok" and row.kept is False:
            found.setdefault(row.verdict, []).append(row)
    order = sorted(found, key=lambda reason: (-len(found[reason]), reason))
    return [
        Aside(reason=reason, shot=show(row), twin=_twin(show, row, by_id), why=_why(row))
        for reason in order
        for row in _mixed(found[reason])
    ]


def _twin(show: Show, row: PictureRow, by_id: Mapping[str, PictureRow]) -> Shot | None:
    other = by_id.get(str(row.detail.get("of", "")))
    return None if other is None else show(other)


def _mixed(rows: Sequence[PictureRow]) -> list[PictureRow]:
    """The first of each class, then the second of each, … as many as are shown."""
    most = PAIRS if any("of" in row.detail for row in rows) else ASIDES
    turn: dict[str, int] = {}
    keyed = []
    for row in sorted(rows, key=lambda row: (row.label, row.sha256, row.id)):
        turn[row.label] = turn.get(row.label, -1) + 1
        keyed.append((turn[row.label], row.label, row.sha256, row.id, row))
    return [item[-1] for item in sorted(keyed, key=lambda item: item[:-1])[:most]]


def _why(row: PictureRow) -> str:
    detail = row.detail
    if row.verdict == "unreadable":
        return str(detail.get("reason", ""))
    if row.verdict == "too_small" and "side" in detail:
        return f"{detail['side']} pixels"
    if row.verdict in ("near_duplicate", "conflicting_label") and "bits" in detail:
        return f"{detail['bits']} of 64 hash bits differ, cosine {detail.get('cosine', 0):.2f}"
    if row.verdict == "mislabelled" and "looks_like" in detail:
        return f"looks like {detail['looks_like']}"
    for name in ("entropy", "blur", "score", "quality"):
        if isinstance(detail.get(name), (int, float)):
            return f"{name} {detail[name]:.2f}"
    return ""

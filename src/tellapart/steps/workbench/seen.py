"""What the workbench looks at: a project's pictures with all that is known of them."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tellapart.catalog import PictureRow, columns, looking
from tellapart.errors import DataError, PictureError
from tellapart.learn import measuring
from tellapart.learn.workbench import edges
from tellapart.learn.workbench.looks import Look, looks
from tellapart.learn.workbench.shapes import read
from tellapart.steps import StepContext, fingerprint
from tellapart.steps.curate.material import Material, gather
from tellapart.steps.curate.scoring import score
from tellapart.steps.plainly import is_plain
from tellapart.store.files import FileStore, write_file

S = TypeVar("S")
#: Raise it whenever the same pictures would be seen otherwise.
VERSION = 1
#: Of at most so many pictures, spread over the classes, it is measured what lies around the thing.
MOST_AROUND = 6000
#: At least so many of each class.
_LEAST_AROUND = 40
#: Of very many pictures, so many copies.
MOST_COPIES = 10_000
_FOLDER = "workbench"
_COPIES = ("near_duplicate", "exact_duplicate")


class Seen:
    """One project's readable pictures, in an order that depends on their content alone."""

    def __init__(self, context: StepContext) -> None:
        """Raises `DataError` where the pictures are not curated, or are no pictures."""
        self.context = context
        require(context)
        #: Whether nobody looked at the pictures through the backbone: then some of them are seen.
        self.plain = is_plain(context)
        rows = _some(context) if self.plain else context.catalog.pictures(status="ok")
        self._material = gather(context, rows)
        readable = [row for row in rows if row.sha256 in self._material.figures]
        self.rows: list[PictureRow] = sorted(readable, key=lambda row: (row.sha256, row.id))
        self._all = rows

    @property
    def material(self) -> Material:
        """Figures, near pairs and features by content."""
        return self._material

    @cached_property
    def scores(self) -> dict[str, dict[str, float]]:
        """Scores by name and id, as `curate` judges by them; none without features."""
        return {} if self.plain else score(self.context, self._all, self._material)

    @cached_property
    def classes(self) -> list[str]:
        """The labels that the score `suggested` counts."""
        return sorted({row.label for row in self._all})

    @cached_property
    def figures(self) -> list[Mapping[str, Any]]:
        """The analyzers' figures, row by row."""
        return [self._material.figures[row.sha256] for row in self.rows]

    @cached_property
    def around(self) -> list[Mapping[str, Any] | None]:
        """What lies around the thing, row by row; None: not measured, or unreadable by now."""
        by_class: dict[str, list[PictureRow]] = defaultdict(list)
        for row in self.rows:
            by_class[row.label].append(row)
        most = max(_LEAST_AROUND, MOST_AROUND // max(1, len(by_class)))
        chosen = {row.sha256: row for rows in by_class.values() for row in spread(rows, most)}
        known = _measured(self.context, chosen)
        return [known.get(row.sha256) for row in self.rows]

    @cached_property
    def looks(self) -> list[Look]:
        """Words for how the pictures look; those of their surroundings only where all were seen."""
        found = looks(self.figures, self.around)
        whole = all(one is not None for one in self.around)
        return [one for one in found if whole or one.name not in ("border", "plain ground")]

    def need_features(self) -> None:
        """Raises `DataError` where the pictures were curated without."""
        if self.plain:
            raise DataError(
                f"The pictures of {self.context.catalog.name!r} were curated without features.",
                expected="features, by which pictures are alike and labels are doubted",
                do="Set `curate.features: true` in the recipe and curate again.",
            )

    def is_copy(self, row: PictureRow) -> bool:
        """Whether another picture stands for this one."""
        return bool(row.detail.get("of")) and row.verdict in (*_COPIES, "by_hand")

    def suggested(self, id: str) -> str:
        """The class that a picture is taken for by a head that had not seen it; empty: unknown."""
        place = int(self.scores.get("suggested", {}).get(id, -1))
        return self.classes[place] if 0 <= place < len(self.classes) else ""

    def taken_right(self, id: str) -> bool | None:
        """Whether a head that had not seen it tells it right; None: nobody asked."""
        quality = self.scores.get("mislabelled", {}).get(id)
        if quality is None:
            return None
        return quality >= self.scores["suggested_chance"][id]

    def vectors(self, rows: Sequence[PictureRow]) -> NDArray[np.float32]:
        """Features (n, D) of `rows`; zeros where they cannot be had."""
        place = self._places
        return np.asarray(self._material.vectors[[place[row.sha256] for row in rows]])

    @cached_property
    def _places(self) -> dict[str, int]:
        return {sha: i for i, sha in enumerate(self._material.shas)}

    def kept(self, what: str, inputs: Any, kind: type[S], make: Callable[[], S]) -> S:
        """What was made of the same `inputs` before, from the work folder; else made now."""
        path = self.context.work / _FOLDER / f"{what}.json"
        mark = fingerprint([VERSION, inputs])
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            if stored["inputs"] == mark:
                return read(kind, stored["found"])
        except (OSError, ValueError, LookupError, TypeError):
            pass
        found = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"inputs": mark, "found": _plain(found)}, ensure_ascii=False)
        write_file(path, text.encode())
        return found


def _some(context: StepContext) -> list[PictureRow]:
    """Of very many pictures some of each class, and the first groups of copies."""
    table = columns.read(context.catalog, ("id", "label", "sha256"), status="ok")
    order = np.lexsort((table.ids, table.shas))
    labels = table.words("label")
    each = max(_LEAST_AROUND, MOST_AROUND // max(1, len(labels.names)))
    chosen: list[str] = []
    for label in labels.names:
        own = order[labels.are(label)[order]]
        few = own if len(own) <= each else own[np.linspace(0, len(own) - 1, each).astype(int)]
        chosen += [columns.name_of(int(id)) for id in table.ids[few]]
    for root, others in sorted(looking.duplicates(context.catalog).items()):
        if len(chosen) > MOST_AROUND + MOST_COPIES:
            break
        chosen += [root, *others]
    return looking.by_ids(context.catalog, sorted(set(chosen)))


def spread(rows: Sequence[PictureRow], most: int) -> list[PictureRow]:
    """At most so many of `rows`, evenly spread."""
    if len(rows) <= most:
        return list(rows)
    return [rows[i] for i in np.linspace(0, len(rows) - 1, most).astype(int).tolist()]


def key_of(ids: Iterable[str]) -> str:
    """A name for exactly these pictures: 12 hex digits."""
    return hashlib.sha256("\0".join(sorted(ids)).encode()).hexdigest()[:12]


def _plain(found: Any) -> Any:
    if isinstance(found, list | tuple):
        return [_plain(one) for one in found]
    return found.to_dict()


def require(context: StepContext) -> None:
    """Raises `DataError` where the pictures are not curated, or are no pictures of its own."""
    name = context.catalog.name
    if context.recipe.data_kind != "pictures":
        raise DataError(
            f"The project {name!r} holds no pictures of its own.",
            expected="a project of pictures, searched for or from a folder or list",
            do="Use the workbench on such a project.",
        )
    if context.recipe.from_project is not None:
        other = context.recipe.from_project
        raise DataError(
            f"The project {name!r} takes its pictures from {other!r}.",
            expected="the project that the pictures belong to",
            do=f"Use the workbench there: {other}.",
        )
    if context.catalog.finished("curate") is None:
        raise DataError(
            f"The pictures of the project {name!r} are not curated yet.",
            expected="a project whose pictures were collected and curated",
            do=f"Run it first: tellapart curate {name}",
        )


def _measured(
    context: StepContext, chosen: Mapping[str, PictureRow]
) -> dict[str, Mapping[str, Any]]:
    """Figures of what lies around, by content; measured now where they are not known."""
    known: dict[str, Mapping[str, Any]] = dict(
        context.catalog.measurements(chosen, edges.NAME, edges.VERSION)
    )
    files = FileStore(context.settings.files_dir)

    def look(row: PictureRow) -> dict[str, float] | None:
        try:
            return edges.measure(measuring.reader(files, row.sha256, row.path)())
        except PictureError:
            return None

    lacking = [row for sha, row in sorted(chosen.items()) if sha not in known]
    if lacking:
        with ThreadPoolExecutor(max(1, context.settings.worker_threads)) as pool:
            seen = zip(lacking, pool.map(look, lacking), strict=True)
            fresh = {row.sha256: found for row, found in seen if found is not None}
        context.catalog.save_measurements(edges.NAME, edges.VERSION, fresh)
        known.update(fresh)
    return known

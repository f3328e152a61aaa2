"""The workbench of a project: what it consists of, what is doubtful, acts that can be undone."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from tellapart.bundle import licenses
from tellapart.catalog import terms
from tellapart.errors import BusyError, DataError, InputError, NotFoundError
from tellapart.learn.workbench.shapes import Act, Outcome, Value, Verb, read
from tellapart.recipe import asked
from tellapart.runtime.desk.pictures import MOST_AT_ONCE
from tellapart.runtime.desk.shapes import Page
from tellapart.runtime.desk.thresholds import Thresholds

_LOOK_S = 10.0
#: Words of a better query, and each one's letters.
_WORDS, _LETTERS = 20, 200


class Workbench(Thresholds):
    """Looks take a core for a second, so that another process takes them; acts are quick."""

    def clusters(self, project: str, label: str | None = None) -> list[dict[str, Any]]:
        """What each class (or `label` alone) consists of: `learn.workbench.shapes.ClassClusters`
        as plain data.

        This and the looks below raise `DataError` where nothing is curated yet.
        """
        return list(self._seen(project, "clusters", label=label))

    def cluster(self, project: str, key: str) -> dict[str, Any]:
        """One cluster with the ids of all its pictures. Raises `NotFoundError` for a stale key."""
        for one in self.clusters(project):
            for part in one["clusters"]:
                if part["key"] == key:
                    return dict(part)
        raise NotFoundError(
            f"The project {project!r} has no cluster {key[:40]!r}; it may have changed.",
            expected="the key of a cluster as it is now",
            do="Look again.",
        )

    def copies(
        self, project: str, *, limit: int = 50, after: str | None = None
    ) -> Page[dict[str, Any]]:
        """Groups of near duplicates with the best picture of each; `after`: the last key seen."""
        found = self._seen(project, "copies")
        start = 0
        if after is not None:
            keys = [one["key"] for one in found]
            if after not in keys:
                raise InputError(
                    "The groups have changed since that page was shown.",
                    expected="the key of a group as it is now",
                    do="Begin again without `after`.",
                )
            start = keys.index(after) + 1
        shown = found[start : start + min(max(1, limit), 200)]
        more = start + len(shown) < len(found)
        return Page(shown, shown[-1]["key"] if more else None, len(found))

    def doubtful(self, project: str, label: str | None = None, limit: int = 100) -> dict[str, Any]:
        """The pictures whose labels are the most doubtful, as `shapes.Doubtful`."""
        return dict(self._seen(project, "doubtful", label=label, limit=limit))

    def slices(self, project: str, basis: str = "held_out") -> dict[str, Any]:
        """Accuracy slice by slice, as `shapes.Slices`; `basis`: `held_out` or `test`."""
        return dict(self._seen(project, "slices", basis=basis))

    def shortcuts(self, project: str) -> dict[str, Any]:
        """Classes that something beside the point gives away, as `shapes.Shortcuts`."""
        return dict(self._seen(project, "shortcuts"))

    def diff(
        self,
        project: str,
        after: Mapping[str, Value],
        before: Mapping[str, Value] | None = None,
    ) -> dict[str, Any]:
        """What thresholds `after` would change, as `shapes.Diff`; nothing is changed.

        Raises `RecipeError` for an unknown threshold or a value out of range.
        """
        values = {"after": dict(after), "before": None if before is None else dict(before)}
        return dict(self._asked(project, "diff", values))

    def act(
        self,
        project: str,
        verb: Verb,
        ids: Sequence[str] = (),
        *,
        cluster: str = "",
        copies: str = "",
        label: str = "",
        settings: Mapping[str, Value] | None = None,
        note: str = "",
    ) -> Outcome:
        """Keep, drop, give back or relabel pictures, a whole cluster or group by key; or set
        thresholds, by which the pictures are then decided again.

        Raises `NotFoundError` for what is not there (any more), `InputError`, `RecipeError`.
        """
        if len(ids) > MOST_AT_ONCE:
            raise InputError(
                f"{len(ids):,} pictures are named at once.",
                expected=f"at most {MOST_AT_ONCE:,}",
                do="Name them in several calls.",
            )
        opened = self.open(project)
        if cluster or copies:
            more = {"cluster": cluster, "copies": copies, "label": label, "note": note}
            values = {"verb": verb, "ids": list(ids), **more}
            done = read(Outcome, self._asked(project, "act", values))
        else:
            bench = opened.workbench
            done = bench.act(verb, ids, label=label, settings=settings, note=note)
        self._settled(project, done)
        return done

    def acts(self, project: str, *, limit: int = 50, after: str | None = None) -> Page[Act]:
        """What was done by hand, the newest first; `after`: the number of the last one seen."""
        limit = min(max(1, limit), 200)
        before = int(after) if after is not None and after.isdecimal() else None
        found = self.open(project).workbench.acts(limit + 1, before)
        shown = found[:limit]
        return Page(shown, str(shown[-1].number) if len(found) > limit else None)

    def undo(self, project: str, number: int | None = None) -> Outcome:
        """Take an act back (default: the newest in force), whatever was done after it."""
        done = self.open(project).workbench.undo(number)
        self._settled(project, done)
        return done

    def redo(self, project: str, number: int | None = None) -> Outcome:
        """Do an act again that was taken back (default: the one taken back last)."""
        done = self.open(project).workbench.redo(number)
        self._settled(project, done)
        return done

    def search_for(
        self, project: str, label: str, query: str, without: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Put a better query of a class, and words that its hits must not hold, into the recipe.

        Both are added to what the class has; returns its entry. The next run searches for it.
        Raises `InputError` where nothing is searched for, or for an unknown class.
        """
        recipe = self.open(project).recipe
        if recipe.data_kind != "pictures" or not recipe.sources or recipe.data is not None:
            raise InputError(
                f"The project {project!r} searches for nothing.",
                expected="a project whose pictures are searched for",
                do="Take other pictures out of the folder instead, or set the cluster aside.",
            )
        classes = {name: dict(one or {}) for name, one in self._written(project).items()}
        if label not in classes:
            raise InputError(
                f"The project {project!r} has no class {label!r}.",
                expected=f"one of {', '.join(sorted(classes))}",
                do="Name one of these classes.",
            )
        entry = classes[label]
        for key, words in (("queries", [query]), ("without", list(without))):
            clean = [word.strip()[:_LETTERS] for word in words if word.strip()]
            together = list(dict.fromkeys([*entry.get(key, ()), *clean]))[:_WORDS]
            if together:
                entry[key] = together
        self.update_project(project, {"classes": classes})
        return entry

    def collecting(self, project: str) -> dict[str, Any]:
        """Which source gave what and how noisy it is, why collecting stopped, and the licenses.

        `sources`, `queries`, `ranks`, `rounds` (null: not collected in rounds), `notes`,
        `licenses` (`known`: whether a license is named at all).
        """
        catalog = self.catalog(project)
        counted = self.counts(project).get("sources", {})
        collected = catalog.finished("collect") or {}
        noise = self._noise(project)
        shares = {one["source"]: one for one in noise.get("sources", ())}
        errors = {
            name: one["error"]
            for name, one in (collected.get("sources") or {}).items()
            if one.get("error")
        }
        names = dict.fromkeys([*counted, *errors])
        nothing = {"found": 0, "kept": 0, "not_had": 0}
        return {
            "sources": [
                {
                    "source": name,
                    **counted.get(name, nothing),
                    "error": errors.get(name, ""),
                    "noise": shares.get(name),
                }
                for name in names
            ],
            "queries": noise.get("queries", []),
            "ranks": noise.get("ranks", []),
            "rounds": _rounds(catalog.finished("rounds")),
            "notes": list(collected.get("notes") or ()),
            "licenses": [
                {
                    "license": license,
                    "title": licenses.read(license).title,
                    "known": bool(license.strip()),
                    "may_pass_on": licenses.read(license).may_pass_on,
                    "found": found,
                    "kept": kept,
                }
                for license, (found, kept) in terms.licenses(catalog).items()
            ],
        }

    # -- inside -----------------------------------------------------------------------------

    def _seen(self, project: str, look: str, **values: Any) -> Any:
        """What a look says, kept for a moment: a page asks for the same thing again."""
        what = (look, tuple(sorted(values.items())))
        return self._remember(project, what, lambda: self._asked(project, look, values), _LOOK_S)

    def _asked(self, project: str, verb: str, values: Mapping[str, Any]) -> Any:
        self.open(project)  # raises where it is another's, before anybody is kept waiting
        found = self._memory.thinker.ask(
            "workbench", self.settings, project=project, verb=verb, values=dict(values)
        )
        return found["found"]

    def _noise(self, project: str) -> dict[str, Any]:
        if self.catalog(project).finished("curate") is None:
            return {}
        with contextlib.suppress(DataError):
            return dict(self._seen(project, "source_quality"))
        return {}

    def _written(self, project: str) -> dict[str, Any]:
        return dict(asked(self.open(project).recipe)["classes"])

    def _settled(self, project: str, done: Outcome) -> None:
        """Thresholds have changed: decide by them, unless a run is about to."""
        self._forget(project)
        if done.act.verb != "settings" or not done.act.number:
            return
        with contextlib.suppress(BusyError, DataError):
            self.decide(project, {})


def _rounds(known: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """How the rounds of collecting stand, without what is for the next one."""
    if known is None:
        return None
    return {name: known[name] for name in ("round", "over", "history", "notes") if name in known}

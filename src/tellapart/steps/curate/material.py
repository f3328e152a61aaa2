"""What verdicts are derived from: figures of every picture, near pairs, features when needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tellapart import images, registry
from tellapart.catalog import PictureRow
from tellapart.doors import Analyzer
from tellapart.learn import alike, backbone, doubling, features, measuring, nearness
from tellapart.steps import Progress, StepContext
from tellapart.store.files import FileStore


def analyzers() -> tuple[Analyzer, ...]:
    """All analyzers there are, built in and installed, but those that measure people."""
    kinds = (registry.load("analyzer", name) for name in registry.names("analyzer"))
    return tuple(kind() for kind in kinds if not kind.private)


def versions(context: StepContext) -> dict[str, Any]:
    """What figures and features depend on besides the pictures themselves."""
    net = backbone.embedded(context.settings.cache_dir)
    return {
        "analyzers": {one.name: one.version for one in analyzers()},
        "features": features.cache_key(net, context.recipe.train.view),
    }


def hash_versions() -> list[int]:
    """Versions of the analyzers by whose figures near duplicates are found."""
    return [registry.load("analyzer", name).version for name in ("phash", "sketch")]


@dataclass
class Material:
    """Everything known of a project's pictures, by content."""

    context: StepContext
    #: By SHA-256: the path of a picture referenced in place, empty for a stored one.
    paths: dict[str, str]
    #: By SHA-256 of every decodable picture: the figures of all analyzers.
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: By SHA-256 of every other picture: `reason` and `what`.
    broken: dict[str, dict[str, str]] = field(default_factory=dict)

    @cached_property
    def shas(self) -> list[str]:
        """The decodable pictures, sorted; rows of `pairs` and `vectors`."""
        return sorted(self.figures)

    @property
    def passing(self) -> bool:
        """Whether a picture is unreadable for a reason that may be gone the next time."""
        return any(facts.get("reason") == "missing" for facts in self.broken.values())

    @cached_property
    def feature_key(self) -> str:
        return str(versions(self.context)["features"])

    @cached_property
    def pairs(self) -> nearness.Pairs:
        """Near pairs up to a loose distance, from the last run where nothing has changed."""
        most = max(nearness.LOOSE_BITS, self.context.recipe.curate.near_duplicate_bits)
        facts = nearness.facts("near", most, self.feature_key, hash_versions())
        path = self.context.work / nearness.PAIRS_FILE
        known = nearness.load(path, facts)
        found = known.among(self.shas) if known else None
        if found is None:
            hashes = [str(self.figures[sha]["phash"]) for sha in self.shas]
            found = nearness.find(hashes, self.vectors, most, self._sketches)
        if known is None or known.shas != tuple(self.shas):
            nearness.save(path, facts, nearness.Known(tuple(self.shas), found))
        return found

    @cached_property
    def vectors(self) -> NDArray[np.float32]:
        """Features (n, D) of `shas`; computed now where the cache lacks them.

        A picture whose file has gone since it was measured has zeros: near to nobody.
        """
        cache = _cache(self.context)
        vectors, missing = cache.get(self.shas)
        if missing:
            errors = _survey(self.context, [self.plan(sha, (), True) for sha in missing])
            vectors, _ = cache.get(self.shas)
            for sha, facts in errors.items():
                self.broken[sha] = facts
        return np.asarray(np.nan_to_num(vectors), dtype=np.float32)

    def plan(self, sha: str, tools: tuple[Analyzer, ...], with_features: bool) -> measuring.Plan:
        """What is to be measured of one picture."""
        files = FileStore(self.context.settings.files_dir)
        read = measuring.reader(files, sha, self.paths[sha])
        return measuring.Plan(sha, read, tools, with_features)

    @property
    def _sketches(self) -> alike.Sketches:
        return alike.Sketches.read([self.figures[sha] for sha in self.shas])


def gather(context: StepContext, rows: Sequence[PictureRow]) -> Material:
    """Measure what is not measured yet; features come from the same decoded pictures."""
    material = Material(context, {row.sha256: row.path for row in rows})
    shas = sorted(material.paths)
    tools = analyzers()
    known, broken, lacking = _known(context, tools, shas)
    if lacking:
        unseen = set(_cache(context).get(sorted(lacking))[1])
        plans = [material.plan(sha, lacking[sha], sha in unseen) for sha in sorted(lacking)]
        material.broken.update(_survey(context, plans))
        known, broken, _ = _known(context, tools, shas)
    material.broken.update({sha: facts for sha, facts in broken.items() if sha not in known})
    material.figures.update(known)
    return material


def _known(
    context: StepContext, tools: Sequence[Analyzer], shas: Sequence[str]
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]], dict[str, tuple[Analyzer, ...]]]:
    """Merged figures of wholly measured pictures, broken ones, and what others lack."""
    catalog = context.catalog
    stored = [catalog.measurements(shas, one.name, one.version) for one in tools]
    known: dict[str, dict[str, Any]] = {}
    lacking: dict[str, tuple[Analyzer, ...]] = {}
    for sha in shas:
        absent = tuple(one for one, found in zip(tools, stored, strict=True) if sha not in found)
        if absent:
            lacking[sha] = absent
        else:
            known[sha] = {}
            for found in stored:
                known[sha].update(found[sha])
    broken = catalog.measurements(lacking, measuring.BROKEN, measuring.BROKEN_VERSION)
    return known, broken, {sha: tools for sha, tools in lacking.items() if sha not in broken}


def _survey(context: StepContext, plans: Sequence[measuring.Plan]) -> dict[str, dict[str, str]]:
    """Measure and extract; return what cannot be read, by SHA-256."""
    net = backbone.embedded(context.settings.cache_dir)
    total = len(plans)
    survey = measuring.Survey(
        save=context.catalog.save_measurements,
        hint=images.hint(net.size, context.recipe.train.view),
        on_done=lambda done: context.progress(Progress("curate", done, total, "measuring")),
    )
    light = [plan for plan in plans if not plan.features]
    full = [plan for plan in plans if plan.features]
    survey.run_light(light, context.settings.worker_threads)
    survey.run_full(full, net, context.recipe.train.view, context.settings, _cache(context))
    return {
        sha: {"reason": error.reason, "what": error.what} for sha, error in survey.errors.items()
    }


def _cache(context: StepContext) -> features.FeatureCache:
    net = backbone.embedded(context.settings.cache_dir)
    key = features.cache_key(net, context.recipe.train.view)
    dim = doubling.dim_of(net, context.recipe.train.view)
    return features.FeatureCache(context.settings.cache_dir, key, dim)

"""What holds pictures together: the same file, page, given group, likeness, scene."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tellapart import registry
from tellapart.catalog import columns
from tellapart.catalog.columns import Columns
from tellapart.learn import (
    alike,
    backbone,
    dealing,
    deciding,
    features,
    measuring,
    nearness,
    splitting,
)
from tellapart.steps import StepContext, plainly
from tellapart.store.files import FileStore


@dataclass(frozen=True)
class Contents:
    """The different contents of rows, sorted."""

    shas: NDArray[np.bytes_]
    #: For each content its first row, and for each row its content.
    first: NDArray[np.int64]
    of: NDArray[np.int64]

    @classmethod
    def among(cls, rows: Columns) -> Contents:
        shas, first, of = np.unique(rows.shas, return_index=True, return_inverse=True)
        return cls(shas, first, of.reshape(-1))


def given_links(rows: Columns, contents: Contents) -> tuple[splitting.Links, list[str]]:
    """Links that need no looking: the same file, the same page, the same given group."""
    notes = []
    known = np.flatnonzero(rows.shas != b"")
    links = [dealing.stars(contents.of[known], known)]
    for kind in ("page_url", "group_hint"):
        words = rows.words(kind)
        named = ~words.are("")
        sizes = np.bincount(words.codes[named], minlength=1)
        most = int(sizes.argmax())
        if kind == "page_url" and 2 * sizes[most] > len(rows) > 2:
            # The data set's own page, not the page of a picture.
            named &= words.codes != most
            notes.append(
                f"{sizes[most]} of {len(rows)} pictures name the page {words.names[most]!r}: that "
                "is taken for the page of the data set, not for a group."
            )
        there = np.flatnonzero(named)
        links.append(dealing.stars(words.codes[there].astype(np.int64), there))
    return np.concatenate(links), notes


def picture_links(
    context: StepContext, rows: Columns, contents: Contents
) -> tuple[nearness.Pairs, nearness.Pairs]:
    """Pairs of `rows`, which have their paths: near duplicates, and pictures so alike that they
    may be one scene."""
    curate, cosine = context.recipe.curate, context.recipe.split.scene_cosine
    shas, first = columns.texts(contents.shas), contents.first
    vectors = _lazily(context, shas, [rows.paths[at] for at in first.tolist()])
    key = feature_key(context)
    most = max(nearness.LOOSE_BITS, curate.near_duplicate_bits)
    versions = [registry.load("analyzer", name).version for name in ("phash", "sketch")]
    near = _kept_or_found(
        context,
        nearness.PAIRS_FILE,
        nearness.facts("near", most, key, versions),
        shas,
        lambda: nearness.find(
            _hashes(context, shas, versions[0]),
            vectors(),
            most,
            _sketches(context, shas, versions[1]),
        ),
    ).near(curate.near_duplicate_bits, curate.near_duplicate_cosine, curate.near_duplicate_likeness)
    scenes = _kept_or_found(
        context,
        nearness.SCENES_FILE,
        nearness.facts("scenes", cosine, key),
        shas,
        lambda: nearness.scenes(vectors(), cosine),
    )

    def of_rows(pairs: nearness.Pairs) -> nearness.Pairs:
        return nearness.Pairs(first[pairs.rows], pairs.bits, pairs.cosines)

    return of_rows(near), of_rows(scenes)


def hash_links(context: StepContext, contents: Contents) -> tuple[nearness.Pairs, nearness.Pairs]:
    """The same without features: pairs of rows by their hashes alone, and no scenes.

    Of equal hashes and of near ones each picture is linked with the first: they join the same.
    """
    none = nearness.Pairs(np.empty((0, 2), np.int64), np.empty(0, np.int64), np.empty(0))
    place = contents.first
    hashes = plainly.hashes(context, contents.shas)
    codes, where, kind = np.unique(hashes, return_index=True, return_inverse=True)
    bits = deciding.allowed(context.recipe.curate.near_duplicate_bits)
    close = plainly.near(context, codes)
    pairs = close.rows[close.bits <= bits]
    links = np.concatenate([dealing.stars(kind.reshape(-1), place), place[where[pairs]]])
    links.sort(axis=1)
    count = len(links)
    return nearness.Pairs(links, np.zeros(count, np.int64), np.ones(count)), none


def _kept_or_found(
    context: StepContext,
    file: str,
    facts: str,
    shas: Sequence[str],
    find: Callable[[], nearness.Pairs],
) -> nearness.Pairs:
    path = context.work / file
    known = nearness.load(path, facts)
    pairs = known.among(shas) if known else None
    if pairs is None:
        pairs = find()
        nearness.save(path, facts, nearness.Known(tuple(shas), pairs))
    return pairs


def _hashes(context: StepContext, shas: Sequence[str], version: int) -> list[str]:
    measured = context.catalog.measurements(shas, "phash", version)
    # A picture kept by hand before it was measured has no hash yet; 64 ones are near to nobody.
    return [str(measured.get(sha, {}).get("phash", "f" * 16)) for sha in shas]


def _sketches(context: StepContext, shas: Sequence[str], version: int) -> alike.Sketches:
    measured = context.catalog.measurements(shas, "sketch", version)
    return alike.Sketches.read([measured.get(sha, {}) for sha in shas])


def _lazily(
    context: StepContext, shas: Sequence[str], paths: Sequence[str]
) -> Callable[[], NDArray[np.float32]]:
    """Features (n, D) of `shas`, read when first asked for; zeros for a file that has gone."""
    found: list[NDArray[np.float32]] = []

    def vectors() -> NDArray[np.float32]:
        if not found:
            files = FileStore(context.settings.files_dir)
            net = backbone.embedded(context.settings.cache_dir)
            items = [
                (sha, measuring.reader(files, sha, path))
                for sha, path in zip(shas, paths, strict=True)
            ]
            view = context.recipe.train.view
            matrix, _ = features.matrix(items, net, view, context.settings)
            found.append(np.asarray(np.nan_to_num(matrix), dtype=np.float32))
        return found[0]

    return vectors


def feature_key(context: StepContext) -> str:
    net = backbone.embedded(context.settings.cache_dir)
    return features.cache_key(net, context.recipe.train.view)

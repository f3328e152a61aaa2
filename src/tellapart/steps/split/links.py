"""What holds pictures together: the same file, page, given group, likeness, scene."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from tellapart import registry
from tellapart.catalog.columns import Brief
from tellapart.learn import alike, backbone, deciding, features, measuring, nearness, splitting
from tellapart.steps import StepContext, plainly
from tellapart.store.files import FileStore


def given_links(rows: Sequence[Brief]) -> tuple[splitting.Links, list[str]]:
    """Links that need no looking: the same file, the same page, the same given group."""
    notes = []
    links: list[tuple[int, int]] = []
    for kind in ("sha256", "page_url", "group_hint"):
        first: dict[str, int] = {}
        values = [getattr(row, kind) for row in rows]
        sizes = Counter(values)
        if len(sizes) == len(rows) or sizes.keys() == {""}:
            continue
        for i, value in enumerate(values):
            if not value:
                continue
            if kind == "page_url" and len(rows) > 2 and 2 * sizes[value] > len(rows):
                # The data set's own page, not the page of a picture.
                if i == first.setdefault(value, i):
                    notes.append(
                        f"{sizes[value]} of {len(rows)} pictures name the page {value!r}: that "
                        "is taken for the page of the data set, not for a group."
                    )
                continue
            if value in first:
                links.append((first[value], i))
            first.setdefault(value, i)
    return splitting.link_array(links), notes


def picture_links(
    context: StepContext, rows: Sequence[Brief]
) -> tuple[nearness.Pairs, nearness.Pairs]:
    """Pairs of `rows`: near duplicates, and pictures so alike that they may be one scene."""
    curate, cosine = context.recipe.curate, context.recipe.split.scene_cosine
    shas = sorted({row.sha256 for row in rows})
    place = {row.sha256: i for i, row in reversed(list(enumerate(rows)))}
    first = np.array([place[sha] for sha in shas], dtype=np.int64)
    vectors = _lazily(context, rows, shas)
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


def hash_links(
    context: StepContext, rows: Sequence[Brief]
) -> tuple[nearness.Pairs, nearness.Pairs]:
    """The same without features: pairs of `rows` by their hashes alone, and no scenes.

    Of equal hashes and of near ones each picture is linked with the first: they join the same.
    """
    none = nearness.Pairs(np.empty((0, 2), np.int64), np.empty(0, np.int64), np.empty(0))
    first = {row.sha256: i for i, row in reversed(list(enumerate(rows)))}
    names = sorted(first)
    place = np.array([first[sha] for sha in names], dtype=np.int64)
    found = np.unique(plainly.hashes(context, names), return_index=True, return_inverse=True)
    codes, where, kind = found
    bits = deciding.allowed(context.recipe.curate.near_duplicate_bits)
    close = plainly.near(context, codes)
    pairs = close.rows[close.bits <= bits]
    same = np.stack([place[where[kind.reshape(-1)]], place], axis=1)
    links = np.concatenate([same[same[:, 0] != same[:, 1]], place[where[pairs]]])
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
    context: StepContext, rows: Sequence[Brief], shas: Sequence[str]
) -> Callable[[], NDArray[np.float32]]:
    """Features (n, D) of `shas`, read when first asked for; zeros for a file that has gone."""
    found: list[NDArray[np.float32]] = []

    def vectors() -> NDArray[np.float32]:
        if not found:
            files = FileStore(context.settings.files_dir)
            readers = {row.sha256: measuring.reader(files, row.sha256, row.path) for row in rows}
            net = backbone.embedded(context.settings.cache_dir)
            items = [(sha, readers[sha]) for sha in shas]
            view = context.recipe.train.view
            matrix, _ = features.matrix(items, net, view, context.settings)
            found.append(np.asarray(np.nan_to_num(matrix), dtype=np.float32))
        return found[0]

    return vectors


def feature_key(context: StepContext) -> str:
    net = backbone.embedded(context.settings.cache_dir)
    return features.cache_key(net, context.recipe.train.view)

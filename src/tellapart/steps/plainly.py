"""Judging and dealing without features: whether to, and what curate and split both go by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tellapart import registry
from tellapart.catalog import columns
from tellapart.doors import Analyzer
from tellapart.learn import arrays, deciding, measuring
from tellapart.steps import StepContext

#: Pictures beyond which nobody waits for a network to look at each, unless the recipe asks for it.
MANY = 100_000
#: In the project's `work` folder; may be deleted at any time.
FIGURES_FILE, NEAR_FILE = "figures.npz", "near.npz"
#: What has no hash yet is near to nobody that has one.
_NO_HASH = "f" * 16
_AT_ONCE = 4096


def is_plain(context: StepContext) -> bool:
    """Whether curate and split go by files, figures and hashes alone."""
    asked = context.recipe.curate.features
    if asked is not None:
        return not asked
    return columns.count(context.catalog, status="ok") > MANY


def analyzers() -> list[type[Analyzer]]:
    """Those that are asked: all that there are, but those that measure people and those whose
    figures are of use only beside features."""
    every = (registry.load("analyzer", name) for name in registry.names("analyzer"))
    return [kind for kind in every if not kind.private and not kind.with_features]


def figure_facts() -> str:
    """What kept figures depend on besides the pictures: the analyzers."""
    said = [f"{kind.name} {kind.version}" for kind in analyzers()]
    return " ".join([*said, measuring.BROKEN, str(measuring.BROKEN_VERSION)])


def hashes(context: StepContext, shas: NDArray[np.bytes_]) -> NDArray[np.uint64]:
    """The hashes of contents, which are sorted: as curate has left them, else from the catalog."""
    kept = arrays.load(context.work / FIGURES_FILE, figure_facts())
    if kept is not None and len(kept["shas"]):
        known = kept["shas"]
        at = np.minimum(np.searchsorted(known, shas), len(known) - 1)
        if (known[at] == shas).all():
            codes: NDArray[np.uint64] = kept["phash"][at]
            return codes
    version = registry.load("analyzer", "phash").version
    found: list[int] = []
    for start in range(0, len(shas), _AT_ONCE):
        part = columns.texts(shas[start : start + _AT_ONCE])
        measured = context.catalog.measurements(part, "phash", version)
        found += (int(str(measured.get(sha, {}).get("phash", _NO_HASH)), 16) for sha in part)
    return np.array(found, dtype=np.uint64)


def near(context: StepContext, codes: NDArray[np.uint64]) -> deciding.Near:
    """Near pairs of hashes, as far as the recipe may ask for them; kept for the next run."""
    bits = deciding.allowed(context.recipe.curate.near_duplicate_bits)
    facts = f"near phash {registry.load('analyzer', 'phash').version}"
    path = context.work / NEAR_FILE
    kept = arrays.load(path, facts)
    known = None
    if kept is not None and {"codes", "rows", "bits", "limit"} <= kept.keys():
        known = deciding.Near(kept["codes"], kept["rows"], kept["bits"], int(kept["limit"]))
    found = deciding.near(codes, max(bits, deciding.LOOSE_BITS), known)
    # Of pictures that are only away for now, what is known stays.
    if known is None or found.limit != known.limit or not np.isin(found.codes, known.codes).all():
        limit = np.array(found.limit)
        parts = {"codes": found.codes, "rows": found.rows, "bits": found.bits, "limit": limit}
        arrays.save(path, facts, parts)
    return found

"""The search for near hashes: all pairs of 64-bit codes that differ in few bits, exactly.

A few thousand codes are compared each with each, block by block. Of many, only those are compared
that share part of their bits: where two codes differ in at most k of 64 bits and the bits are cut
into k + j parts, at least j parts are equal, so that every pair shares the key made of some j of
them (Greene, Parnas, Yao, "Multi-index hashing for information retrieval", FOCS 1994). With j so
large that keys are about as many as codes, the work grows near-linearly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Codes = NDArray[np.uint64]
#: Places of two codes (m, 2), int64, and how many bits apart they are (m,), int64.
Found = tuple[NDArray[np.int64], NDArray[np.int64]]

_BITS = 64
#: Codes compared at once, rows × columns: their differences stay in the processor's cache.
_HIGH, _WIDE = 64, 4096
#: Below, comparing each with each takes less than a second.
_FEW = 12_000
#: What comparing two codes costs within a key's bucket, and sorting one code by a key, relative
#: to comparing two codes in a block. Measured on one core: 2.3, 14 and 70 ns.
_CHECK, _SORT = 6.0, 30.0
#: Parts that are equal at least; more would mean thousands of sorts.
_MOST_EQUAL = 4
#: Where keys are looked at for how crowded they are, as shares of the bits.
_TRIED = (0.0, 0.3, 0.6)
#: Pairs of distinct codes spread at once.
_SPREAD = 4096
#: Codes of one bucket beyond which it is compared block by block.
_CROWD = 512


class TooManyError(Exception):
    """More pairs than were asked for at most."""


def within(codes: ArrayLike, bits: int, *, most: int | None = None) -> Found:
    """All pairs of `codes` (n,) that differ in at most `bits` bits: (i, j), i < j, sorted.

    Raises `TooManyError` as soon as more than `most` pairs are found.
    """
    known = np.ascontiguousarray(codes, dtype=np.uint64)
    if len(known) <= _FEW or bits < 0:
        return _sorted(_in_blocks(known, known, bits, True), most)
    # Equal codes would crowd every key's buckets.
    distinct, kind = np.unique(known, return_inverse=True)
    return _sorted(_spread(_distinct(distinct, bits), kind.reshape(-1)), most)


def between(new: ArrayLike, old: ArrayLike, bits: int, *, most: int | None = None) -> Found:
    """All pairs of a code of `new` (n,) and one of `old` (m,) at most `bits` bits apart, sorted.

    Takes time in proportion to n × m: for few new ones. Raises `TooManyError`.
    """
    mine = np.ascontiguousarray(new, dtype=np.uint64)
    theirs = np.ascontiguousarray(old, dtype=np.uint64)
    return _sorted(_in_blocks(mine, theirs, bits, False), most)


def count_bits(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """How many bits of each word are set."""
    if hasattr(np, "bitwise_count"):  # numpy 2
        return np.asarray(np.bitwise_count(words), dtype=np.uint8)
    counts = _TABLE[np.ascontiguousarray(words).view(np.uint16)]
    return np.asarray(counts.reshape(*words.shape, 4).sum(axis=-1), dtype=np.uint8)


_TABLE = np.array([i.bit_count() for i in range(1 << 16)], dtype=np.uint8)


def _distinct(codes: Codes, bits: int) -> Iterator[Found]:
    """Pairs of distinct `codes`, by the cheapest way there is for them."""
    equal = _parts(codes, bits)
    return _by_keys(codes, bits, equal) if equal else _in_blocks(codes, codes, bits, True)


def _parts(codes: Codes, bits: int) -> int:
    """How many equal parts make the cheapest key for `codes`; 0: compare each with each."""
    n = len(codes)
    costs = {0: n * n / 2}
    for equal in range(1, _MOST_EQUAL + 1):
        cut = bits + equal
        if cut > _BITS:
            break
        masks = _cut(cut)
        checks = 0.0
        # Bits of real pictures are not even: a look at some keys tells how crowded they are.
        for first in _TRIED:
            chosen = [(int(first * cut) + place) % cut for place in range(equal)]
            sizes = np.unique(codes & np.bitwise_or.reduce(masks[chosen]), return_counts=True)[1]
            checks = max(checks, float((sizes * (sizes - 1.0)).sum()) / 2)
        costs[equal] = math.comb(cut, equal) * (n * _SORT + checks * _CHECK)
    return min(costs, key=lambda equal: costs[equal])


def _spread(found: Iterator[Found], kind: NDArray[np.int64]) -> Iterator[Found]:
    """Pairs of distinct codes as pairs of all that have them, and pairs of equal ones."""
    order = np.argsort(kind, kind="stable")
    sizes = np.bincount(kind) if len(kind) else np.empty(0, np.int64)
    starts = np.cumsum(sizes) - sizes
    for first, second in _buckets(kind[order]):
        rows = np.stack([order[first], order[second]], axis=1)
        yield np.sort(rows, axis=1), np.zeros(len(rows), np.int64)
    for pairs, apart in found:
        a, b = sizes[pairs[:, 0]], sizes[pairs[:, 1]]
        for start in range(0, len(pairs), _SPREAD):
            part = slice(start, start + _SPREAD)
            number = a[part] * b[part]
            place = np.repeat(np.arange(len(number)) + start, number)
            nth = _counted(number)
            one = order[starts[pairs[place, 0]] + nth // b[place]]
            two = order[starts[pairs[place, 1]] + nth % b[place]]
            yield np.sort(np.stack([one, two], axis=1), axis=1), apart[place]


def _sorted(parts: Iterator[Found], most: int | None) -> Found:
    pairs, apart, count = [np.empty((0, 2), np.int64)], [np.empty(0, np.int64)], 0
    for rows, distances in parts:
        count += len(rows)
        if most is not None and count > most:
            raise TooManyError
        if len(rows):
            pairs.append(rows)
            apart.append(distances)
    joined, distances = np.concatenate(pairs), np.concatenate(apart)
    order = np.lexsort((joined[:, 1], joined[:, 0]))
    return joined[order], distances[order]


def _in_blocks(a: Codes, b: Codes, bits: int, same: bool) -> Iterator[Found]:
    """Each of `a` with each of `b`; where they are the `same`, only with later ones."""
    for top in range(0, len(a), _HIGH):
        high = a[top : top + _HIGH, None]
        for left in range(top if same else 0, len(b), _WIDE):
            apart = count_bits(high ^ b[None, left : left + _WIDE])
            near = apart <= bits
            if not near.any():
                continue
            rows, columns = np.nonzero(near)
            distances = apart[rows, columns].astype(np.int64)
            found = np.stack([rows + top, columns + left], axis=1).astype(np.int64)
            if same:
                later = found[:, 0] < found[:, 1]
                found, distances = found[later], distances[later]
            yield found, distances


def _by_keys(codes: Codes, bits: int, equal: int) -> Iterator[Found]:
    """Pairs that share one of the keys, each told by the first key that it shares."""
    masks = _cut(bits + equal)
    for chosen in combinations(range(len(masks)), equal):
        key = np.bitwise_or.reduce(masks[list(chosen)])
        order = np.argsort(codes & key)
        for first, second in _buckets(codes[order] & key):
            rows = np.stack([order[first], order[second]], axis=1)
            differing = codes[rows[:, 0]] ^ codes[rows[:, 1]]
            distances = count_bits(differing).astype(np.int64)
            near = distances <= bits
            if not near.any():
                continue
            rows, distances, differing = rows[near], distances[near], differing[near]
            told = _first_equal(differing, masks, chosen)
            rows = np.sort(rows[told].astype(np.int64), axis=1)
            yield rows, distances[told]


def _cut(parts: int) -> Codes:
    """Masks of `parts` runs of bits, as even as can be."""
    ends = [round(_BITS * part / parts) for part in range(parts + 1)]
    runs = (((1 << high) - (1 << low)) for low, high in pairwise(ends))
    return np.array(list(runs), dtype=np.uint64)


def _first_equal(differing: Codes, masks: Codes, chosen: tuple[int, ...]) -> NDArray[np.bool_]:
    """Whether the parts `chosen` are the first equal ones."""
    told = np.ones(len(differing), dtype=bool)
    for part in range(chosen[-1]):
        if part not in chosen:
            told &= (differing & masks[part]) != 0
    return told


def _buckets(keys: NDArray[Any]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Places of pairs of equal `keys`, which are sorted: first with later one."""
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    sizes = np.diff(np.append(starts, len(keys)))
    crowded = sizes > _CROWD
    for start, size in zip(starts[crowded].tolist(), sizes[crowded].tolist(), strict=True):
        yield from _crowd(start, size)
    starts, sizes = starts[~crowded], sizes[~crowded]
    # How many of its bucket follow each code.
    following = np.repeat(starts + sizes, sizes) - 1
    places = np.repeat(starts, sizes) + _counted(sizes)
    following -= places
    step = 1
    while len(places := places[following >= step]):
        following = following[following >= step]
        yield places, places + step
        step += 1


def _crowd(start: int, size: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    end = start + size
    for first in range(start, end - 1):
        later = np.arange(first + 1, end, dtype=np.int64)
        yield np.full(len(later), first, dtype=np.int64), later


def _counted(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, 1, … for each of `sizes`, one after the other."""
    ends = np.cumsum(sizes)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - sizes, sizes)

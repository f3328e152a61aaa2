"""The report's tables: what the recipe chose and why, what training chose, what licences ask."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tellapart.bundle import licenses
from tellapart.catalog import PictureRow
from tellapart.learn.trained import Trained
from tellapart.recipe import Recipe, canonical, resolve
from tellapart.report import Choice


def choices(recipe: Recipe) -> list[Choice]:
    """Every value of the resolved recipe with its reason; no machine path is in it."""
    resolved, reasons = resolve(recipe)
    plain = canonical(resolved)
    plain["classes"] = list(plain["classes"])
    return [
        Choice(key=key, value=_plain(value), reason=reasons.get(key, ""))
        for key, value in _leaves(plain)
    ]


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value) or "[]"
    return json.dumps(value, ensure_ascii=False)


def training(trained: Trained) -> list[tuple[str, str]]:
    """What training chose, in words."""
    facts = trained.facts
    net, found = facts["backbone"], facts["validation"]
    limit, nearest = facts["thresholds"]["familiarity"], facts["neighbours"]
    refusal = (
        f"familiarity below {limit:.3f}: mean cosine to the {nearest} nearest of "
        f"{facts['bank']} stored pictures"
    )
    own = sum(counts["train"] for counts in facts["pictures"].values())
    rows = [
        (
            "Backbone",
            f"{net['name']}, frozen; {net['dim']} features of {net['size']} × {net['size']} pixels",
        ),
        ("Learned from", f"{own} pictures"),
        (
            "Head",
            f"logistic regression, C = {facts['C']:g}, temperature {facts['temperature']:.3f}",
        ),
        ("Refusal", refusal),
    ]
    tried = [f"{one['C']:g}: {one['log_loss']:.3f}" for one in facts["cross_validation"]]
    if len(tried) > 1:
        rows.insert(3, ("Tried C, with log loss", "; ".join(tried)))
    if found["n"]:
        share = (
            f"{100 * found['accuracy']:.1f} % right on {found['n']} pictures "
            f"({100 * found['low']:.1f} to {100 * found['high']:.1f} %)"
        )
        rows.append(("Checked on validation", share))
    return rows


def license_rows(rows: Sequence[PictureRow]) -> list[tuple[str, str, int, str]]:
    """Code, name, number of kept pictures and what is asked for; most frequent first."""
    found = Counter(licenses.read(row.license).code for row in rows)
    order = sorted(found, key=lambda code: (-found[code], code))
    return [(code, licenses.read(code).title, found[code], _asks(code)) for code in order]


def _asks(code: str) -> str:
    license = licenses.read(code)
    if code == licenses.UNKNOWN:
        return "unknown: pictures stay out of the bundle, only their origin goes in"
    if not license.may_pass_on:
        return "not known to allow passing on: only the pictures' origin goes into the bundle"
    asked = [
        text
        for text, holds in (
            ("credit the creator", license.attribution),
            ("share changed copies alike", license.sharealike),
            ("no commercial use", license.noncommercial),
            ("no changed copies", license.noderivatives),
        )
        if holds
    ]
    return ", ".join(asked) or "nothing"

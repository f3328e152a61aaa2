"""The report's tables: what the recipe chose and why, what training chose, what licences ask."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tellapart.bundle import licenses
from tellapart.bundle.card import license_answers
from tellapart.catalog import PictureRow
from tellapart.learn.trained import Trained
from tellapart.recipe import Recipe, canonical, resolve
from tellapart.report import Choice


def choices(recipe: Recipe) -> list[Choice]:
    """Every value of the resolved recipe with its reason; no machine path is in it."""
    resolved, reasons = resolve(recipe)
    plain = canonical(resolved)
    if "classes" in plain:  # else they come with the data
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
        ("Backbone", _backbone(net)),
        ("Learned from", f"{own} pictures"),
        ("Head", _head(facts)),
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


def _backbone(net: Mapping[str, Any]) -> str:
    """The network, or the networks side by side, and what they look at."""
    parts = net.get("parts") or [net]
    named = Counter(
        f"{part['name']}, {'tuned' if part.get('tuned') else 'frozen'}"
        + (", mirrored too" if part.get("mirror") else "")
        + (", upside down too" if part.get("upside") else "")
        for part in parts
    )
    said = " + ".join(f"{n} × {name}" if n > 1 else name for name, n in named.items())
    return f"{said}; {net['dim']} features of {net['size']} × {net['size']} pixels"


def _head(facts: Mapping[str, Any]) -> str:
    kind = facts.get("kind", "head")
    if kind == "head":
        return f"logistic regression, C = {facts['C']:g}, temperature {facts['temperature']:.3f}"
    if kind == "blend":
        return "the weighted mean of its networks' linear heads"
    if kind == "distilled":
        return (
            "linear, tuned with the network on what other rungs said, temperature "
            f"{facts['temperature']:.3f}"
        )
    return f"linear, tuned with the network, temperature {facts['temperature']:.3f}"


def learned(facts: Mapping[str, Any], *, private: bool) -> list[tuple[str, str]]:
    """How a network or table model was trained, in words.

    Only with `private` where and how long: those go into no bundle, whose bytes they would change.
    """
    optimizer, rate = facts.get("optimizer"), facts.get("learning_rate")
    if isinstance(optimizer, Mapping):
        rate = optimizer.get("learning_rate", rate)
        optimizer = optimizer.get("name")
    if optimizer and rate:
        optimizer = f"{optimizer}, learning rate {rate:g}"
    chosen: Mapping[str, Any] = next(
        (one for one in facts.get("candidates") or () if one.get("chosen")), {}
    )
    network = facts.get("network")
    history = facts.get("history") or ()
    parameters = facts.get("parameters")
    rows = [
        ("Model", "" if network else chosen.get("name", "")),
        ("Settings", "" if network else _settings(chosen.get("settings") or {})),
        ("Compared by", _compared(facts.get("cross_validation") or {})),
        ("Parameters", f"{parameters:,}" if isinstance(parameters, int) else ""),
        ("Optimizer", str(optimizer or "")),
        ("Loss", str(facts.get("loss") or "").replace("_", " ")),
        ("Batch", f"{facts['batch_size']} samples" if facts.get("batch_size") else ""),
        ("Schedule", _unless(facts.get("schedule"), "constant")),
        ("Varied pictures", _unless(facts.get("augment"), "none")),
        ("Epochs", _epochs(facts)),
        ("Precision", str(facts.get("precision") or "")),
    ]
    if private:
        spent = [float(epoch["seconds"]) for epoch in history if epoch.get("seconds")]
        mean = f"{sum(spent) / len(spent):.2f} s on average" if spent else ""
        whole = facts.get("seconds")
        rows += [
            ("Device", str(facts.get("device") or "")),
            ("Time per epoch", mean),
            ("Time in all", f"{whole:.1f} s" if isinstance(whole, int | float) else ""),
        ]
    return [(name, value) for name, value in rows if value]


def _compared(plan: Mapping[str, Any]) -> str:
    if not plan.get("folds") or not plan.get("n"):
        return ""
    times = f", {plan['repeats']} times over" if (plan.get("repeats") or 1) > 1 else ""
    return f"{plan['folds']}-fold cross-validation{times}, on {plan['n']:,} training rows"


def _unless(value: object, usual: str) -> str:
    return "" if value in (None, usual) else str(value).replace("_", " ")


def _epochs(facts: Mapping[str, Any]) -> str:
    done, asked = len(facts.get("history") or ()), facts.get("epochs_asked")
    if not done and not asked:
        return ""
    best = (
        f"; the weights of epoch {facts['best_epoch']} were kept" if facts.get("best_epoch") else ""
    )
    return f"{done}" + (f" of {asked}" if asked and asked != done else "") + best


def _settings(settings: Mapping[str, Any]) -> str:
    """Flat settings in one line; those of several models one after the other."""
    parts = [
        f"{name}: {_settings(value)}"
        if isinstance(value, Mapping)
        else f"{name} = {value:g}"
        if isinstance(value, int | float)
        else f"{name} = {value}"
        for name, value in settings.items()
    ]
    return (
        "; ".join(parts)
        if any(isinstance(v, Mapping) for v in settings.values())
        else ", ".join(parts)
    )


def license_rows(rows: Sequence[PictureRow]) -> list[tuple[str, str, int, str]]:
    """Code, name, number of kept pictures and what is asked for; most frequent first."""
    found = Counter(licenses.read(row.license).code for row in rows)
    order = sorted(found, key=lambda code: (-found[code], code))
    return [(code, licenses.read(code).title, found[code], _asks(code)) for code in order]


def may_i(
    rows: Sequence[PictureRow], ignored: Mapping[str, tuple[str, str]] | None = None
) -> list[tuple[str, str]]:
    """What the pictures' licences come to for whoever uses the model: as the card says it.

    `ignored`: hosts whose robots.txt was left aside by the user's named act, and when.
    """
    counts = licenses.counts(row.license for row in rows)
    kinds = {code: licenses.read("" if code == licenses.UNKNOWN else code) for code in counts}
    found = []
    for line in license_answers(counts, kinds) if rows else ():
        plain = line.removeprefix("- ").replace("`", "")
        lead, bold, words = plain.removeprefix("**").partition("**")
        found.append((lead, words.strip()) if bold else ("", plain))
    for host, (first, _) in (ignored or {}).items():
        when = first.partition("T")[0]
        found.append(
            ("robots.txt left aside.", f"That of {host}, as the user asked by name, since {when}.")
        )
    return found


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

"""Policy: the rules in their order with their settings, compared with what was decided so far."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from markupsafe import Markup

from tellapart.runtime.desk.deck_shapes import PolicyView
from tellapart.web import shell
from tellapart.web import texts_policy as words
from tellapart.web.deck_review import api
from tellapart.web.pictures import html
from tellapart.web.visit import House, Visit


@dataclass(frozen=True)
class Control:
    """One setting: where it stands in the policy, and how it is shown."""

    path: str
    kind: Literal["switch", "number", "share", "words", "text", "choice", "flag"]
    label: str
    #: Of a choice: value and word. Of a flag: the value that stands in the list if it is set.
    options: tuple[tuple[str, str], ...] = ()
    whole: bool = False
    #: Of a share: the highest.
    top: float = 1.0

    @property
    def id(self) -> str:
        flag = f"-{self.options[0][0]}" if self.kind == "flag" else ""
        return f"set-{self.path.replace('.', '-')}{flag}"


_ON = words.ELSE_OUT
#: The rules in the order in which they are asked, each with its settings.
RULES: tuple[tuple[str, tuple[Control, ...]], ...] = (
    (
        "quiet",
        (
            Control("quiet.hours", "words", words.HOURS),
            Control("quiet.timezone", "text", words.ZONE),
        ),
    ),
    (
        "limit",
        (
            Control("limits.session", "number", words.SESSION, whole=True),
            Control("limits.day", "number", words.DAY, whole=True),
        ),
    ),
    ("veto", ()),
    (
        "pictures",
        (
            Control("pictures.on", "switch", _ON),
            Control("pictures.min", "number", words.AT_LEAST, whole=True),
        ),
    ),
    (
        "likes",
        (Control("super_like.when", "flag", words.OUT_OF_LIKES, (("out_of_likes", ""),)),),
    ),
    ("accept_all", (Control("accept_all", "switch", words.IN_USE),)),
    (
        "age",
        (
            Control("age.on", "switch", _ON),
            Control("age.min", "number", words.LOW, whole=True),
            Control("age.max", "number", words.HIGH, whole=True),
        ),
    ),
    (
        "distance",
        (
            Control("distance.on", "switch", _ON),
            Control("distance.min", "number", words.LOW_KM),
            Control("distance.max", "number", words.HIGH_KM),
        ),
    ),
    (
        "bio",
        (
            Control("bio.required", "switch", words.BIO_REQUIRED),
            Control("bio.ban", "words", words.BIO_BAN),
            Control("bio.super_like", "words", words.BIO_SUPER),
            Control("bio.like", "words", words.BIO_LIKE),
            Control("super_like.when", "flag", words.BIO_WORDS, (("bio_words", ""),)),
        ),
    ),
    (
        "model",
        (
            Control("model.threshold", "share", words.THRESHOLD),
            Control("model.group", "choice", words.GROUP, words.GROUPS),
            Control("super_like.when", "flag", words.CONFIDENT, (("high_confidence", ""),)),
            Control("super_like.confidence", "share", words.CONFIDENCE),
            Control("explore", "share", words.EXPLORE, top=0.5),
        ),
    ),
)


def register(house: House) -> None:
    """Make the page of this module."""

    @house.page("/decks/{name}/policy")
    async def policy(visit: Visit, name: str) -> None:
        deck = await visit.ask(visit.desk.deck, name)
        view = await visit.ask(visit.desk.deck_policy, name)
        with shell.deck_page(
            visit, name, deck.title or name, tab="policy", assets=("deck_policy.js",)
        ):
            html(frame(name, view))


def frame(name: str, view: PolicyView) -> Markup:
    """The rules, and beside them what a change would do."""
    return Markup(
        '<ta-policy class="policy" data-url="{}" data-words="{}" data-policy="{}" '
        'data-default="{}"><form novalidate><p class="lead">{}</p><h2 class="sr-only">{}</h2>'
        '<ol class="rules" role="list">{}{}</ol>{}</form>{}</ta-policy>'
    ).format(
        api(name),
        json.dumps(words.SCRIPT),
        json.dumps(view.policy),
        json.dumps(view.default),
        words.LEAD,
        words.RULES,
        _always(view.always),
        Markup("").join(_rule(key, controls, view.policy) for key, controls in RULES),
        _file(view.text),
        _beside(),
    )


def _always(said: Sequence[str]) -> Markup:
    if not said:
        return Markup("")
    lines = Markup("").join(Markup("<p>{}</p>").format(line) for line in said)
    return Markup('<li class="rule always"><div class="about"><h3>{}</h3>{}</div></li>').format(
        words.ALWAYS, lines
    )


def _rule(key: str, controls: Sequence[Control], policy: Mapping[str, Any]) -> Markup:
    title, says = words.RULE_WORDS[key]
    if key == "veto":
        count = len(policy.get("veto") or ())
        shown = Markup('<p class="small quiet">{}</p>').format(
            words.VETOES.format(n=count) if count else words.NO_VETOES
        )
    else:
        shown = Markup("").join(_control(one, policy, title) for one in controls)
    return Markup(
        '<li class="rule" data-rule="{}"><div class="about"><h3>{}</h3><p>{}</p></div>'
        '<div class="sets">{}</div></li>'
    ).format(key, title, says, shown)


def _value(policy: Mapping[str, Any], path: str) -> Any:
    found: Any = policy
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _control(one: Control, policy: Mapping[str, Any], rule: str) -> Markup:
    value = _value(policy, one.path)
    spoken = Markup('<span class="sr-only">{}: </span>{}').format(rule, one.label)
    facts = Markup('id="{}" data-path="{}" data-kind="{}"').format(one.id, one.path, one.kind)
    if one.kind in ("switch", "flag"):
        on = one.options[0][0] in (value or ()) if one.kind == "flag" else bool(value)
        named = one.options[0][0] if one.kind == "flag" else ""
        return Markup(
            '<label class="check wide"><input type="checkbox" {} value="{}"{}><span>{}</span>'
            "</label>"
        ).format(facts, named, Markup(" checked") if on else "", spoken)
    if one.kind == "share":
        return Markup(
            '<div class="field wide"><div class="line"><label for="{id}">{label}</label>'
            '<output for="{id}">{value}</output></div><input type="range" {facts} min="0" '
            'max="{top}" step="0.01" value="{value}"></div>'
        ).format(id=one.id, label=spoken, facts=facts, value=f"{value:.2f}", top=f"{one.top:g}")
    if one.kind == "choice":
        options = Markup("").join(
            Markup('<option value="{}"{}>{}</option>').format(
                key, Markup(" selected") if key == value else "", word
            )
            for key, word in one.options
        )
        body = Markup('<select class="input" {}>{}</select>').format(facts, options)
    elif one.kind == "number":
        body = Markup(
            '<input class="input" type="number" min="0" step="{}" inputmode="{}" {} value="{}" '
            'placeholder="{}">'
        ).format(
            "1" if one.whole else "any",
            "numeric" if one.whole else "decimal",
            facts,
            "" if value is None else f"{value:g}",
            words.NO_LIMIT,
        )
    else:
        shown = ", ".join(map(str, value or ())) if one.kind == "words" else value or ""
        body = Markup('<input class="input" type="text" autocomplete="off" {} value="{}">').format(
            facts, shown
        )
    wide = " wide" if one.kind == "choice" or one.path.startswith("bio.") else ""
    return Markup('<div class="field{}"><label for="{}">{}</label>{}</div>').format(
        wide, one.id, spoken, body
    )


def _file(text: str) -> Markup:
    return Markup(
        '<details class="file"><summary>{}</summary><p class="hint" id="file-hint">{}</p>'
        '<textarea class="input mono" name="text" aria-label="{}" aria-describedby="file-hint" '
        'spellcheck="false" rows="24">{}</textarea></details>'
    ).format(words.AS_FILE, words.AS_FILE_HINT, words.AS_FILE, text)


def _beside() -> Markup:
    return Markup(
        '<section class="beside" aria-label="{0}"><div class="panel"><h2>{0}</h2>'
        '<p class="said" role="status">{1}</p><div class="row">'
        '<button type="button" class="button primary" data-do="compare">{2}</button>'
        '<button type="button" class="button" data-do="apply" disabled>{3}</button>'
        '<button type="button" class="button plain" data-do="default">{4}</button></div>'
        '<div class="wrong notice bad hidden" role="alert" tabindex="-1"></div>'
        '<ul class="sums" role="list" hidden></ul>'
        '<ol class="differences" role="list"></ol></div></section>'
    ).format(
        words.DIFFERENCES, words.COMPARE_LEAD, words.COMPARE, words.APPLY, words.POLICY_DEFAULT
    )

"""Results: everything that was decided and done, why, what was answered, and what a person says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from tellapart.runtime.desk.deck_shapes import ACTIONS, OUTCOMES
from tellapart.web import shell
from tellapart.web import texts_decks as words
from tellapart.web.deck_review import api
from tellapart.web.pictures import html
from tellapart.web.visit import House, Visit


def register(house: House) -> None:
    """Make the page of this module."""

    @house.page("/decks/{name}/results")
    async def results(visit: Visit, name: str) -> None:
        deck = await visit.ask(visit.desk.deck, name)
        policy = await visit.ask(visit.desk.deck_policy, name)
        rules = [(one["rule"], one["about"]) for one in policy.rules]
        with shell.deck_page(
            visit, name, deck.title or name, tab="results", assets=("deck_results.js",)
        ):
            html(frame(name, rules, visit.request.query_params))


def frame(name: str, rules: Sequence[tuple[str, str]], asked: Mapping[str, str]) -> Markup:
    """Filters, and the list that the script fills."""
    return Markup(
        '<ta-results data-url="{}" data-words="{}"><p class="lead">{}</p>'
        '<form class="filters" aria-label="{}">{}{}{}{}'
        '<input class="input" type="search" name="q" aria-label="{}" placeholder="{}" value="{}" '
        'maxlength="200"></form>'
        '<p class="status small quiet" role="status"></p><h2 class="sr-only">{}</h2>'
        '<ul class="results" role="list"></ul><p class="empty none" hidden>{}</p>'
        '<button type="button" class="button more" hidden>{}</button>{}</ta-results>'
    ).format(
        api(name),
        json.dumps(words.RESULTS_SCRIPT),
        words.RESULTS_LEAD,
        words.FILTERS,
        _select(
            "action",
            words.ACTION,
            words.EVERY_ACTION,
            [(one, words.ACTIONS[one]) for one in ACTIONS],
            asked,
        ),
        _select(
            "outcome",
            words.OUTCOME,
            words.EVERY_OUTCOME,
            [("match", words.MATCHES), *((one, words.STATES[one]) for one in OUTCOMES)],
            asked,
        ),
        _select("label", words.YOURS, words.EVERY_YOURS, words.YOURS_OPTIONS, asked),
        _select("rule", words.RULE, words.EVERY_RULE, rules, asked),
        words.SEARCH,
        words.SEARCH,
        asked.get("q", ""),
        words.TAB,
        words.RESULTS_NONE,
        words.RESULTS_SCRIPT["more"],
        _forgetting(),
    )


def _select(
    name: str,
    label: str,
    every: str,
    options: Sequence[tuple[str, str]],
    asked: Mapping[str, str],
) -> Markup:
    chosen = asked.get(name, "")
    shown = Markup("").join(
        Markup('<option value="{}"{}>{}</option>').format(
            value, Markup(" selected") if value == chosen else "", word
        )
        for value, word in [("", every), *options]
    )
    return Markup('<select class="input" name="{}" aria-label="{}">{}</select>').format(
        name, label, shown
    )


def _forgetting() -> Markup:
    """The question before somebody is forgotten."""
    return Markup(
        '<dialog class="dialog" aria-labelledby="forget-title"><h2 id="forget-title"></h2>'
        '<p class="quiet">{}</p><div class="row">'
        '<button type="button" class="button danger" data-do="forget-yes">{}</button>'
        '<button type="button" class="button plain" data-do="forget-no">{}</button></div></dialog>'
    ).format(words.FORGET_TEXT, words.RESULTS_SCRIPT["forget"], words.RESULTS_SCRIPT["not_now"])

"""Review: one candidate at a time, liked or passed by key, button or swipe."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import quote

from markupsafe import Markup

from tellapart.runtime.desk.deck_shapes import ReviewView
from tellapart.web import shell
from tellapart.web import texts_decks as words
from tellapart.web.pictures import html
from tellapart.web.visit import House, Visit

#: Candidates that stand in the page itself, so that the first one needs no second question.
AHEAD = 6
#: Seconds that the page waits for them.
_PATIENCE = 0.7


def register(house: House) -> None:
    """Make the page of this module."""

    @house.page("/decks/{name}/review")
    async def review(visit: Visit, name: str) -> None:
        deck = await visit.ask(visit.desk.deck, name)
        first = await _soon(visit, name)
        with shell.deck_page(
            visit, name, deck.title or name, tab="review", assets=("deck_review.js",)
        ):
            html(frame(name, first))


async def _soon(visit: Visit, name: str) -> ReviewView | None:
    """The first candidates where they are quickly found; else the page asks for them itself.

    The first question of all starts what puts them in order, and that may take seconds.
    """
    asked = asyncio.ensure_future(visit.ask(visit.desk.deck_review, name, limit=AHEAD))
    done, _ = await asyncio.wait((asked,), timeout=_PATIENCE)
    if done:
        return asked.result()
    asked.add_done_callback(lambda one: one.cancelled() or one.exception())  # heard, not raised
    return None


def api(name: str, *parts: str) -> str:
    """The address of a deck's part in the programming interface."""
    return "/".join(("/api/v1/decks", quote(name, safe=""), *parts))


def frame(name: str, first: ReviewView | None) -> Markup:
    """What the review's script fills; the first candidates come with it."""
    return Markup(
        '<ta-review class="review" data-url="{}" data-words="{}" data-first="{}">'
        '<p class="sr-only" role="status"></p><p class="soon quiet">{}</p>{}'
        '<div class="told">{}{}</div>{}'
        '<div class="toast-line"><p class="toast bad" role="alert" hidden></p></div>'
        "</ta-review>"
    ).format(
        api(name),
        json.dumps(words.SCRIPT),
        "" if first is None else json.dumps(first.to_dict()),
        words.SOON_HERE,
        _stage(),
        _told(),
        _progress(),
        _empty(name),
    )


def _stage() -> Markup:
    """The candidate's pictures, and the hands below them."""
    return Markup(
        '<section class="stage" tabindex="-1" aria-label="{}"><div class="deck-card-stack">'
        '<div class="face"><div class="frame"><p class="no-picture" hidden>{}</p></div>'
        '<img class="heat" alt="" hidden><span class="stamp like" aria-hidden="true">{}</span>'
        '<span class="stamp pass" aria-hidden="true">{}</span></div></div>'
        '<ol class="film" role="list"></ol><div class="hands">{}</div></section>'
    ).format(
        words.CANDIDATE,
        words.SCRIPT["no_picture"],
        words.LIKE,
        words.PASS,
        Markup("").join(
            Markup(
                '<button type="button" class="button {}" data-do="{}">'
                '<span aria-hidden="true">{}</span>{}</button>'
            ).format(kind, do, sign, word)
            for do, sign, word, kind in (
                ("undo", "↶", words.UNDO, "small-hand"),
                ("pass", "✕", words.PASS, "hand pass"),
                ("skip", "↷", words.SKIP, "small-hand"),
                ("like", "♥", words.LIKE, "hand like"),
            )
        ),
    )


def _told() -> Markup:
    """Who it is, and what the deck would do and why."""
    return Markup(
        '<section class="who"><h2></h2><p class="where quiet"></p><p class="bio"></p>'
        '<dl class="facts small"></dl></section>'
        '<section class="would" aria-label="{}"><p class="verdict"><span class="tag"></span></p>'
        '<p class="reason"></p><p class="note small quiet"></p>'
        '<div class="row"><button type="button" class="button" data-do="heat" aria-pressed="false">'
        "{}</button></div></section>"
    ).format(words.WOULD, words.HEAT)


def _progress() -> Markup:
    """How well it knows the person, and the keys."""
    rows = Markup("").join(
        Markup('<div><dt>{}</dt><dd data-progress="{}"></dd></div>').format(word, key)
        for key, word in (
            ("accuracy", words.ACCURACY),
            ("labels", words.LABELS),
            ("saved", words.SAVED),
        )
    )
    keys = Markup("").join(
        Markup("<dt>{}</dt><dd>{}</dd>").format(
            Markup(" ").join(Markup("<kbd>{}</kbd>").format(key) for key in names.split(" ")), does
        )
        for names, does in words.KEY_ROWS
    )
    return Markup(
        '<section class="panel progress"><h2>{}</h2><dl class="figures">{}</dl>'
        '<p class="stop small"></p></section>'
        '<details class="panel by-keys"><summary><h2>{}</h2></summary>'
        '<label class="check small"><input type="checkbox" class="keys-on" checked>{}</label>'
        '<dl class="keys">{}</dl><p class="small">{}</p></details>'
    ).format(words.PROGRESS, rows, words.KEYS, words.KEYS_ON, keys, words.SWIPE)


def _empty(name: str) -> Markup:
    return Markup(
        '<div class="empty all-done" tabindex="-1" hidden><p class="big">{}</p><p class="quiet">{}'
        '</p><p class="row"><button type="button" class="button" data-do="undo">{}</button>'
        '<a class="button" href="{}">{}</a><a class="button" href="{}">{}</a></p></div>'
    ).format(
        words.DONE_EMPTY,
        words.DONE_EMPTY_DO,
        words.UNDO,
        shell.deck_url(name, "results"),
        words.TO_RESULTS,
        shell.deck_url(name),
        words.TO_DECK,
    )

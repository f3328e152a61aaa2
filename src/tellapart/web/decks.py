"""All decks of an account: what each does at the moment, and what needs a person."""

from __future__ import annotations

from datetime import UTC, datetime

from tellapart.runtime.desk.deck_shapes import DeckRow
from tellapart.web import shell
from tellapart.web import texts_decks as words
from tellapart.web.elements import link, tag
from tellapart.web.lists import ago
from tellapart.web.visit import House, Visit

_PAGE = 60


def register(house: House) -> None:
    """Make the page of this module."""

    @house.page("/decks")
    async def decks(visit: Visit, after: str = "") -> None:
        page = await visit.ask(visit.desk.decks, limit=_PAGE, after=after or None)
        with shell.page(visit, words.DECKS, here="decks", assets=("decks.css",)):
            with tag("div", classes="row between"):
                tag("h1", words.DECKS)
                if page.items:
                    link(words.ADD, "/new/deck", classes="button primary")
            tag("p", words.LEAD, classes="lead").style("margin-top: 1rem")
            if not page.items:
                with tag("div", classes="empty stack section-s"):
                    tag("p", words.NONE)
                    tag("p", words.NONE_DO, classes="quiet")
                    link(words.ADD, "/new/deck", classes="button primary").style(
                        "align-self: center; margin-top: .5rem"
                    )
            with tag("ul", classes="cards section-s"):
                for row in page.items:
                    with tag("li"):
                        _card(row)
            if page.next:
                href = f"/decks?after={page.next}"
                link(words.MORE, href, classes="button").style("margin-top: 1.5rem")


def _card(row: DeckRow) -> None:
    with link("", shell.deck_url(row.name), classes="card deck-card"):
        with tag("div", classes="row between top"):
            tag("h2", row.title or row.name)
            mode_tag(row.mode)
        if row.error:
            tag("p", str(row.error.get("what") or ""), classes="small trouble")
        elif row.why:
            tag("p", sentence(row.why), classes="small quiet")
        with tag("dl", classes="facts small"):
            for name, told in (
                (words.LAST_TURN, last_turn(row)),
                (words.NEXT_TURN, until(row.next_turn)),
                (words.LIKES_LEFT, "" if row.likes_left is None else f"{row.likes_left:,}"),
            ):
                if told:
                    tag("dt", name)
                    tag("dd", told)
        if waits := row.counts.get("to_review", 0):
            tag("p", words.TO_REVIEW.format(n=f"{waits:,}"), classes="small waits")


def sentence(text: str) -> str:
    """With a large letter first."""
    return text[:1].upper() + text[1:]


def mode_tag(mode: str) -> None:
    """The place of the switch as a small word with a dot."""
    tag("span", words.MODES.get(mode, mode), classes=f"tag {words.MODE_TAGS.get(mode, '')}")


def last_turn(row: DeckRow) -> str:
    """When the last turn was, and what it came to."""
    turn = row.last_turn
    if turn is None:
        return words.NO_TURN
    if turn.state in ("queued", "running"):
        return words.TURN[turn.state]
    when = ago(turn.ended or turn.began)
    if turn.state != "done":
        return f"{when}, {words.TURN[turn.state]}"
    return words.TURN_SAID.format(
        when=when,
        judged=f"{turn.counts.get('judged', 0):,}",
        acted=f"{turn.counts.get('sent_done', 0):,}",
    )


def until(time: str) -> str:
    """How long it is to a time to come, in words."""
    if not time:
        return words.NOT_PLANNED
    left = (datetime.fromisoformat(time) - datetime.now(UTC)).total_seconds()
    if left < 30:
        return words.SOON
    for seconds, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if left >= seconds or word == "minute":
            n = max(1, round(left / seconds))
            return words.IN_TIME.format(n=n, what=f"{word}{'s' if n > 1 else ''}")
    return words.SOON

"""Tinder, by its unofficial HTTP API: off until a person has asked for it twice.

The extra `tellapart[tinder]` must be installed, and every account must confirm `confirm`. What
this file does not do, and takes no patch for: log in, get round captchas, blocks or limits, pose
as a device, move the account's place, go through proxies, send messages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import iso8601

from tellapart.doors import (
    Act,
    ActAnswer,
    Candidate,
    DeckContext,
    DeckOption,
    DeckPicture,
    DeckResult,
    DeckSecret,
    DeckSource,
)
from tellapart.errors import ExhaustedError, InputError
from tellapart.fetch import Sent
from tellapart.plugins.decks import facts
from tellapart.plugins.decks.asking import Service, readable, seconds_option, token

_HOME = "gotinder.com"
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: A rec of this id is no person: it says that the account asks too often.
_LIMITED_ID = "tinder_rate_limited_id"
#: Seconds between two requests: the usual, and the least at the service itself.
_PAUSE, _LEAST_PAUSE = 2.0, 1.0
#: Pictures are asked for no smaller than this, where there is a choice.
_SIDE = 480
#: Requests for recs in one `next`, and pages of matches that are looked through.
_RECS, _MATCH_PAGES = 4, 10
_MOST_PICTURES = 20
#: A date that the service blurs on purpose is taken as up to so much later: never too old.
_BLUR = timedelta(days=31)
_ACTS: Mapping[str, tuple[str, str]] = {
    "like": ("GET", "like/{}"),
    "pass": ("GET", "pass/{}"),
    "super_like": ("POST", "like/{}/super"),
}


class Tinder(DeckSource):
    """Recommendations, likes and passes of the account whose token is given.

    `next` asks `v2/recs/core`, `results` and `has` look through `v2/matches` (whom one matched
    and when, no messages), acts are `like/ID`, `pass/ID` and, with the option `paid`,
    `like/ID/super`.
    """

    name = "tinder"
    title = "Tinder (unofficial)"
    about = "The profiles that Tinder recommends to your own account."
    people = True
    terms = "https://policies.tinder.com/terms"
    confirm = (
        "Tinder's terms forbid automated use. Whoever does it anyway may lose the account, and "
        "with it what was paid. There is no official interface: this one may stop working on any "
        "day. The people in this deck have not agreed to be judged by a program; their pictures "
        "and texts are kept for this deck alone and go after 30 days. I have read this, the "
        "account is my own, and I answer for what is done in its name."
    )
    needs = (
        DeckSecret(
            "token",
            "Access token",
            "the value of `X-Auth-Token` of your own session in the browser; it lasts from a day "
            "to about a week and then has to be entered anew",
        ),
    )
    options = (
        DeckOption(
            "paid",
            "Super likes",
            "yes: the policy may send super likes, which can cost money",
            "bool",
            default=False,
        ),
        DeckOption(
            "pause", "Pause", "seconds between two requests; 1 at least", "number", default=_PAUSE
        ),
    )
    least_dry = 50

    def __init__(self, context: DeckContext) -> None:
        super().__init__(context)
        self.check(context.options)
        if not context.confirmed:
            raise InputError(
                "The terms of the deck source 'tinder' are not confirmed by this account.",
                expected="a person who has read what stands there, once for each account",
                do="Run: tellapart deck confirm DECK.",
            )
        if context.settings.trust_proxies:
            raise InputError(
                "TELLAPART_TRUST_PROXIES is on, and the deck source 'tinder' takes no proxy.",
                expected="a direct connection",
                do="Unset TELLAPART_TRUST_PROXIES for this server, or leave this source alone.",
            )
        base = context.settings.tinder_url
        self._service = Service(
            context,
            base,
            name=self.name,
            token=token(context.secrets, "token", self.name, required=True),
            header=("x-auth-token", "{}"),
            pause=_pause(context.options, base),
        )
        if context.options.get("paid") is not True:
            # So that a policy does not decide for what will not be sent.
            self.super_likes_left = 0
        self._waiting: list[Candidate] = []
        self._offered: set[str] = set()
        #: Who is among the matches, once somebody has asked; until the next act.
        self._liked_back: set[str] | None = None

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        super().check(options)
        _pause(options, "")

    async def next(self, limit: int) -> list[Candidate]:
        for _ in range(_RECS):
            if len(self._waiting) >= limit:
                break
            found = await self._recs()
            if not found:
                break
            # Until they are judged the service offers the same ones again and again.
            new = [c for c in found if c.ref not in self._offered]
            new = [c for c in new if not facts.passed_over(c, self.context.known)]
            self._offered |= {c.ref for c in new}
            self._waiting += new
        given, self._waiting = self._waiting[:limit], self._waiting[limit:]
        return given

    async def pace(self) -> None:
        await self._service.pace()

    async def act(self, ref: str, action: Act, key: str) -> ActAnswer:
        if not _ID.fullmatch(ref):
            return ActAnswer("refused", detail={"reason": "no_such_id"})
        if action == "super_like" and self.context.options.get("paid") is not True:
            return ActAnswer("refused", detail={"reason": "paid_acts_are_off"})
        self._liked_back = None
        method, path = _ACTS[action]
        return self._answered(action, await self._service.act(method, path.format(ref)))

    async def results(self, since: datetime | None = None) -> list[DeckResult]:
        found = sorted(await self._matches(since), key=lambda match: match.at)
        return [DeckResult(one.ref, None, match=True, at=one.at) for one in found]

    async def has(self, ref: str, action: Act, key: str) -> ActAnswer:
        """A match proves a like; without one nobody can tell."""
        if action != "pass":
            if self._liked_back is None:
                self._liked_back = {match.ref for match in await self._matches(None)}
            if ref in self._liked_back:
                return ActAnswer("done", match=True, detail={"reason": "found_among_the_matches"})
        return ActAnswer("unknown", detail={"reason": "cannot_be_told"})

    async def picture(self, picture: DeckPicture) -> bytes:
        """A picture of the account's own stream, as its app shows it: robots.txt and opt-outs,
        which speak to crawlers and to those who gather data sets, are left aside. No token."""
        fetched = await self.context.fetcher.get(picture.file_url, robots=False, opt_out=False)
        return fetched.data

    # -- recommendations --------------------------------------------------------------------

    async def _recs(self) -> list[Candidate]:
        value = await self._service.read("v2/recs/core")
        self._refuse_limits(value)
        data = value.get("data")
        if _says(value, "recs exhausted", "recs timeout"):
            return []
        if not isinstance(data, Mapping):
            raise self._service.changed("gave recommendations without `data`")
        recs = data.get("results")
        if recs is None:
            return []
        if not isinstance(recs, list):
            raise self._service.changed("gave recommendations that are not a list")
        people = [rec for rec in recs if _type(rec) == "user"]
        made = [self._candidate(rec) for rec in people]
        if people and all(found is None for found in made):
            raise self._service.changed("gave recommendations of which none has `user` and `_id`")
        found = facts.once(c for c in made if c is not None)
        if len(found) > 1 and all(c.problem for c in found):
            raise self._service.changed("gave recommendations without `photos`")
        return found

    def _candidate(self, rec: object) -> Candidate | None:
        if not isinstance(rec, Mapping):
            return None
        user = rec.get("user")
        ref = user.get("_id") if isinstance(user, Mapping) else None
        if not isinstance(user, Mapping) or not isinstance(ref, str) or not _ID.fullmatch(ref):
            return None
        if ref.startswith(_LIMITED_ID):
            raise self._service.limited("rate_limited")
        said = user.get("photos")
        photos = said if isinstance(said, list) else None
        extra = {name: _names(user.get(name)) for name in ("jobs", "schools")}
        return Candidate(
            ref=ref,
            name=facts.text(user.get("name"), 200),
            bio=facts.text(user.get("bio")),
            age=age(user, self.context.now()),
            distance_km=facts.distance_km({"distance_mi": rec.get("distance_mi")}),
            pictures=tuple(map(_picture, (photos or ())[:_MOST_PICTURES])),
            fields={name: words for name, words in extra.items() if words},
            person=True,
            # `photos: []` says that there are none; no `photos` says that something changed.
            problem="" if photos is not None else "no_list_of_pictures",
        )

    # -- answers ----------------------------------------------------------------------------

    def _answered(self, action: Act, sent: Sent) -> ActAnswer:
        value = readable(sent) if sent.error is None else None
        said = value if isinstance(value, Mapping) else {}
        self._refuse_limits(said)
        detail: dict[str, Any] = {"status": sent.status}
        if sent.status in (400, 404, 410):
            return ActAnswer("refused", detail=detail | {"reason": "gone"})
        if not 200 <= sent.status < 300 or sent.error is not None:
            reason = sent.error.reason if sent.error is not None else f"http_{sent.status}"
            return ActAnswer("unknown", detail=detail | {"reason": reason})
        self.likes_left = facts.first(facts.count(said.get("likes_remaining")), self.likes_left)
        supers = said.get("super_likes")
        left = facts.count(supers.get("remaining")) if isinstance(supers, Mapping) else None
        if self.context.options.get("paid") is True:
            self.super_likes_left = facts.first(left, self.super_likes_left)
        if said.get("limit_exceeded") is True and action == "super_like":
            self.super_likes_left = 0
            return ActAnswer("refused", self.likes_left, 0, detail=detail | {"reason": "none_left"})
        if action == "like" and said.get("rate_limited_until"):
            raise self._out_of_likes(said["rate_limited_until"])
        match = said.get("match")
        is_known = isinstance(match, (bool, Mapping)) or (
            action == "pass" and said.get("status") == 200
        )
        if not is_known:
            reason = "garbage" if value is None else "schema_changed"
            return ActAnswer("unknown", detail=detail | {"reason": reason})
        answer = None if match is None else match is not False
        return ActAnswer("done", self.likes_left, self.super_likes_left, answer, detail)

    def _out_of_likes(self, until: object) -> ExhaustedError:
        self.likes_left = 0
        ends = facts.number(until)
        wait = None if ends is None else ends / 1000 - self.context.now().timestamp()
        return ExhaustedError(
            "The account has no likes left.",
            expected="likes left (about 100 in 12 hours)",
            do="Nothing: the deck goes on when the service gives new ones.",
            reason="exhausted",
            retry_after=None if wait is None else min(max(wait, 0.0), 86_400.0),
        )

    def _refuse_limits(self, said: Mapping[str, Any]) -> None:
        """What the service says inside an answer of status 200, too."""
        meta = said.get("meta")
        status = meta.get("status") if isinstance(meta, Mapping) else said.get("status")
        if status in (401, 403, 429) and not isinstance(status, bool):
            self._service.refuse(status, {})
        if _says(said, "rate_limited", "rate limited"):
            raise self._service.limited("rate_limited")

    async def _matches(self, since: datetime | None) -> list[_Match]:
        """The account's matches, newest first; no further than a page that is before `since`."""
        found: list[_Match] = []
        params: dict[str, Any] = {"count": 60}
        for _ in range(_MATCH_PAGES):
            value = await self._service.read("v2/matches", params)
            self._refuse_limits(value)
            data = value.get("data")
            said = data.get("matches") if isinstance(data, Mapping) else None
            if not isinstance(data, Mapping) or not isinstance(said, list):
                raise self._service.changed("gave matches without a list `data.matches`")
            page = [match for item in said if (match := _match(item)) is not None]
            new = [match for match in page if since is None or match.at >= since]
            found += new
            following = data.get("next_page_token")
            goes_on = isinstance(following, str) and following != params.get("page_token")
            if not goes_on or not following or not new:
                break
            params["page_token"] = following
        return found


@dataclass(frozen=True)
class _Match:
    ref: str
    at: datetime


def age(user: Mapping[str, Any], now: datetime) -> int | None:
    """Full years by `birth_date`; None where there is none to be believed.

    Where the service says that it blurs the date, the age is the lowest that it may mean.
    """
    told = user.get("birth_date")
    if facts.birth_date(told) is None:
        return None
    try:
        born: date = iso8601.parse_date(str(told)).date()
    except (iso8601.ParseError, OverflowError, ValueError):
        return None
    if "fuzzy" in facts.text(user.get("birth_date_info"), 200).lower():
        born += _BLUR
    return facts.full_years(born, now)


def _match(said: object) -> _Match | None:
    person = said.get("person") if isinstance(said, Mapping) else None
    if not isinstance(said, Mapping) or not isinstance(person, Mapping):
        return None
    ref = person.get("_id")
    try:
        at = iso8601.parse_date(str(said.get("created_date")))
    except (iso8601.ParseError, OverflowError, ValueError):
        return None
    if not isinstance(ref, str) or not _ID.fullmatch(ref):
        return None
    return _Match(ref, at.astimezone(UTC))


def _picture(photo: object) -> DeckPicture:
    """The smallest copy that is large enough, else the largest, else the original."""
    if not isinstance(photo, Mapping):
        return DeckPicture()
    copies = []
    said = photo.get("processedFiles")
    for copy in said if isinstance(said, list) else []:
        if isinstance(copy, Mapping) and isinstance(copy.get("url"), str):
            sides = [facts.number(copy.get(side)) or 0.0 for side in ("width", "height")]
            copies.append((min(sides), copy["url"]))
    enough = sorted(c for c in copies if c[0] >= _SIDE)
    if enough:
        return DeckPicture(file_url=enough[0][1])
    if isinstance(photo.get("url"), str):
        return DeckPicture(file_url=photo["url"])
    return DeckPicture(file_url=max(copies)[1]) if copies else DeckPicture()


def _names(said: object) -> list[str]:
    """The words of `jobs` and `schools`: [{"title": {"name": …}, "company": {"name": …}}, …]."""
    found: list[str] = []
    for item in said[:20] if isinstance(said, list) else []:
        parts = [item, item.get("title"), item.get("company")] if isinstance(item, Mapping) else []
        for part in parts:
            words = facts.text(part.get("name"), 200) if isinstance(part, Mapping) else ""
            if words and words not in found:
                found.append(words)
    return found


def _says(said: Mapping[str, Any], *phrases: str) -> bool:
    """Whether one of the places in which the service puts errors holds one of `phrases`."""
    data = said.get("data")
    places: list[object] = [said.get("error"), said.get("message")]
    if isinstance(data, Mapping):
        places += [data.get("error"), data.get("message")]
    for place in list(places):
        if isinstance(place, Mapping):
            places += [place.get("code"), place.get("message")]
    words = " ".join(place.lower() for place in places if isinstance(place, str))
    return any(phrase in words for phrase in phrases)


def _type(rec: object) -> str:
    """`user` for a person; ads and the like have other words. Without a word: a person."""
    return facts.text(rec.get("type", "user"), 64) if isinstance(rec, Mapping) else "user"


def _pause(options: Mapping[str, Any], base: str) -> float:
    """A server of one's own that stands in for the service need not be spared."""
    chosen = seconds_option(options, "pause", _PAUSE, 0.0)
    return max(chosen, _LEAST_PAUSE) if (urlsplit(base).hostname or "").endswith(_HOME) else chosen

"""What to do with one candidate: the guard, the limits, the vetoes, then the seven rules in order.

The first rule that decides ends it. The model is asked last and picture by picture, so that a
rule that decides costs no call of it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from tellapart.policy.adults import guarded, refused
from tellapart.policy.facts import Action, Decision, Eyes, Facts, Standing
from tellapart.policy.hours import quiet
from tellapart.policy.judging import judged
from tellapart.policy.schema import Policy
from tellapart.policy.texts import reason
from tellapart.policy.vetoing import told, vetoed
from tellapart.policy.wording import find


def decide(
    policy: Policy,
    people: bool,
    facts: Facts,
    standing: Standing,
    eyes: Eyes,
    chance: random.Random | None = None,
) -> Decision:
    """The decision on one candidate, with the rule that made it and the reason.

    `people`: anything but a plain False is guarded. `eyes` are asked for scores only if no rule
    decides, and for ages only if an act would follow. `chance` explores; a live deck gives None.
    Raises nothing of its own: a model that fails is `leave`, never a like.
    """
    if people is not False and (refusal := refused(facts)):
        return refusal
    decision = next(_by_rules(policy, facts, standing), None)
    if decision is None:
        decision = judged(policy, standing, eyes, chance)
    return guarded(decision, eyes) if people is not False else decision


def decide_as_told(
    policy: Policy, people: bool, facts: Facts, standing: Standing, act: Action
) -> Decision:
    """The decision where a person has already said `act`: behind the same guard and limits.

    No estimate is asked for: it hands over to a person, and a person has decided.
    """
    if people is not False and (refusal := refused(facts)):
        return refusal
    stop = next(_stops(policy, standing), None)
    if stop is not None:
        return stop
    if act == "like" and standing.likes_left is not None and standing.likes_left <= 0:
        return Decision("stop", "likes", reason("likes"))
    if act == "super_like" and not may_super_like(standing):
        return Decision("stop", "likes", reason("super_likes"))
    return Decision(act, "person", reason("person"))


def unreadable(what: str) -> Decision:
    """The decision on a candidate that its source could not read, and why."""
    return Decision("leave", "problem", reason("problem", what=what.rstrip(".")))


def seed_of(*parts: str) -> random.Random:
    """The chance of one candidate, the same whenever it is asked: `seed_of(deck, candidate)`."""
    return random.Random("\0".join(parts))  # noqa: S311 - no secret


def _by_rules(policy: Policy, facts: Facts, standing: Standing) -> Iterator[Decision]:
    """The decisions of all rules that apply, in their order."""
    yield from _stops(policy, standing)
    if veto := vetoed(policy, facts):
        key = "veto" if veto.do == "pass" else "veto_person"
        yield Decision(veto.do, "veto", reason(key, rule=told(veto)), person=veto.do == "leave")
    if policy.pictures.on and facts.pictures < policy.pictures.min:
        said = reason("pictures", minimum=policy.pictures.min, found=max(facts.pictures, 0))
        yield Decision("pass", "pictures", said)
    if standing.likes_left is not None and standing.likes_left <= 0:
        if "out_of_likes" in policy.super_like.when and may_super_like(standing):
            yield Decision("super_like", "likes", reason("likes_super"))
        yield Decision("stop", "likes", reason("likes"))
    if policy.accept_all:
        yield Decision("like", "accept_all", reason("accept_all"))
    yield from _ranges(policy, facts)
    yield from _words(policy, facts, standing)


def _stops(policy: Policy, standing: Standing) -> Iterator[Decision]:
    """Quiet hours and the policy's own limits."""
    span = quiet(policy.quiet.hours, policy.quiet.timezone, standing.now)
    if span is not None:
        said = reason("quiet", hours=span.replace("-", " to "), zone=policy.quiet.timezone)
        yield Decision("stop", "quiet", said)
    limits = policy.limits
    for key, done, limit in (
        ("session", standing.session, limits.session),
        ("day", standing.today, limits.day),
    ):
        if limit is not None and done >= limit:
            yield Decision("stop", "limit", reason(key, limit=limit))


def _ranges(policy: Policy, facts: Facts) -> Iterator[Decision]:
    """Rules 4 and 5; what is not known is not out of range."""
    for rule, on, value, least, most, under, over in (
        ("age", policy.age.on, facts.age, policy.age.min, policy.age.max, "young", "old"),
        (
            *("distance", policy.distance.on, facts.distance_km),
            *(policy.distance.min, policy.distance.max, "near", "far"),
        ),
    ):
        if not on or value is None:
            continue
        if least is not None and value < least:
            yield Decision("pass", rule, reason(under, limit=least))
        if most is not None and value > most:
            yield Decision("pass", rule, reason(over, limit=most))


def _words(policy: Policy, facts: Facts, standing: Standing) -> Iterator[Decision]:
    """Rule 6."""
    bio = policy.bio
    if bio.required and not facts.bio.strip():
        yield Decision("pass", "bio", reason("no_bio"))
    if word := find(bio.ban, facts.bio):
        yield Decision("pass", "bio", reason("ban", word=word))
    if word := find(bio.super_like, facts.bio):
        if "bio_words" not in policy.super_like.when:
            why = "super likes for words are off"
        elif not may_super_like(standing):
            why = "no super likes are left"
        else:
            yield Decision("super_like", "bio", reason("super_word", word=word))
            return
        yield Decision("like", "bio", reason("super_word_like", word=word, why=why))
    if word := find(bio.like, facts.bio):
        yield Decision("like", "bio", reason("like_word", word=word))


def may_super_like(standing: Standing) -> bool:
    """Whether a super like is left, as far as the service tells."""
    return standing.super_likes_left is None or standing.super_likes_left > 0

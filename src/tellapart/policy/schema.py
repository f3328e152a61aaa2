"""What a policy may say: every key with its meaning, its limits, its default and the reason.

The defaults are those of the program that decks replace. What no key can say: people who are not
declared to be 18 or older are not judged, and nobody is acted on by itself whose estimated age is
not clearly adult (`adults`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from tellapart.policy.fields import Hours, Part, Word, Words, says
from tellapart.policy.hours import zone_of

MAX_VETOES = 200
Strategy = Literal["out_of_likes", "bio_words", "high_confidence"]
Group = Literal["first", "learned"]
Amount = Annotated[float, Field(ge=-1e12, le=1e12)]


def _strategies(value: Any) -> Any:
    """`dont` (also `don't`, `none`, null) alone means: never."""
    if value is None:
        return ()
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list):
        words = [w.strip().lower().replace(" ", "_") if isinstance(w, str) else w for w in value]
        if len(words) == 1 and words[0] in ("dont", "don't", "none", "never"):
            return ()
        return tuple(dict.fromkeys(words))
    return value


def _zone(value: str) -> str:
    try:
        zone_of(value)
    except Exception:  # a broken name raises one of many
        raise ValueError("no such time zone") from None
    return value


def _texts(value: Any) -> Any:
    if isinstance(value, str | int | float | bool):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


class Pictures(Part):
    """Rule 1: how many pictures a candidate must have."""

    on: bool = says(
        True,
        "Whether candidates with too few pictures are passed.",
        expected="true or false",
        why="what cannot be seen cannot be judged",
    )
    min: int = says(
        1,
        "Pictures that a candidate must have.",
        expected="a whole number from 1 to 100",
        why="one is enough to judge",
        ge=1,
        le=100,
    )


class Age(Part):
    """Rule 4: the declared age."""

    on: bool = says(
        True,
        "Whether candidates whose declared age is out of range are passed.",
        expected="true or false",
        why="the range below holds",
    )
    min: Annotated[int, Field(ge=0, le=150)] | None = says(
        18,
        "Youngest declared age; null: none. Decks of people: never below 18.",
        expected="a whole number from 0 to 150, or null; for decks of people 18 or more",
        why="adults; decks of things have none",
    )
    max: Annotated[int, Field(ge=0, le=150)] | None = says(
        None,
        "Oldest declared age; null: none.",
        expected="a whole number from 0 to 150, or null",
        why="no limit was asked for",
    )


class Distance(Part):
    """Rule 5: the distance in kilometres. A candidate that says none is not out of range."""

    on: bool = says(
        True,
        "Whether candidates out of range are passed.",
        expected="true or false",
        why="the range below holds",
    )
    min: Annotated[float, Field(ge=0, le=50_000)] | None = says(
        None,
        "Nearest distance in kilometres; null: none.",
        expected="a number from 0 to 50000, or null",
        why="no limit was asked for",
    )
    max: Annotated[float, Field(ge=0, le=50_000)] | None = says(
        None,
        "Farthest distance in kilometres; null: none.",
        expected="a number from 0 to 50000, or null",
        why="no limit was asked for",
    )


class Bio(Part):
    """Rule 6: the text. Whole words in any case; `travel*` also finds `travelling`."""

    required: bool = says(
        False,
        "Whether candidates without a text are passed.",
        expected="true or false",
        why="many say nothing and show all",
    )
    ban: Words = says(
        (),
        "Words that make it a pass.",
        expected="a list of words or phrases, at most 1000, each of 1 to 200 characters",
        why="no word was named",
    )
    super_like: Words = says(
        (),
        "Words that make it a super like, where `super_like.when` has `bio_words` and one is "
        "left; else a like.",
        expected="a list of words or phrases, at most 1000, each of 1 to 200 characters",
        why="no word was named",
    )
    like: Words = says(
        (),
        "Words that make it a like.",
        expected="a list of words or phrases, at most 1000, each of 1 to 200 characters",
        why="no word was named",
    )


class Costs(Part):
    """What mistakes cost, in any unit: they set the threshold."""

    wrong_like: float = says(
        ...,
        "What it costs to like a candidate that you would have passed.",
        expected="a number above 0, at most 1000000",
        why="must be said",
        gt=0,
        le=1e6,
    )
    missed_like: float = says(
        ...,
        "What it costs to pass a candidate that you would have liked.",
        expected="a number above 0, at most 1000000",
        why="must be said",
        gt=0,
        le=1e6,
    )


class Model(Part):
    """Rule 7: what the model must say of the pictures."""

    threshold: float = says(
        0.40,
        "Probability of a like from which on a candidate is liked.",
        expected="a number from 0 to 1",
        why="as the older program had it",
        ge=0,
        le=1,
    )
    costs: Costs | None = says(
        None,
        "What mistakes cost; given, they replace the threshold: wrong_like / (wrong_like + "
        "missed_like).",
        expected="a mapping such as {wrong_like: 2, missed_like: 3}, or null",
        why="the threshold is set by itself",
    )
    group: Group = says(
        "first",
        "How several pictures decide: first, the first one at or above the threshold likes the "
        "whole candidate; learned, one score is learned over all pictures.",
        expected="first or learned",
        why="as the older program had it, and it stops looking early",
    )


class SuperLike(Part):
    """When a like becomes a super like. On many services they are paid for."""

    when: Annotated[tuple[Strategy, ...], BeforeValidator(_strategies)] = says(
        (),
        "out_of_likes: instead of stopping when no likes are left; bio_words: for a word of "
        "`bio.super_like`; high_confidence: from `super_like.confidence` on. Empty (or `dont`): "
        "never.",
        expected="a list of out_of_likes, bio_words and high_confidence, or dont",
        why="what may cost money is done only when asked for",
    )
    confidence: float = says(
        0.90,
        "Probability of a like from which on the model's like is a super like.",
        expected="a number from 0 to 1",
        why="nine in ten such likes should be right",
        ge=0,
        le=1,
    )


class Limits(Part):
    """How much a deck may do."""

    session: Annotated[int, Field(ge=1, le=1_000_000)] | None = says(
        1000,
        "Acts (likes, super likes, passes) in one session; null: no limit.",
        expected="a whole number from 1 to 1000000, or null",
        why="as the older program had it",
    )
    day: Annotated[int, Field(ge=1, le=1_000_000)] | None = says(
        None,
        "Acts in one day; null: no limit.",
        expected="a whole number from 1 to 1000000, or null",
        why="the session's limit and the service's own hold",
    )


class Quiet(Part):
    """When nothing is done."""

    hours: Hours = says(
        (),
        "Times of day in which nothing is done, such as `23:00-07:00`.",
        expected="a list of times such as 23:00-07:00",
        why="none were asked for",
    )
    timezone: Annotated[str, Field(max_length=100), AfterValidator(_zone)] = says(
        "UTC",
        "Time zone of the hours, such as `Europe/Berlin`.",
        expected="the name of a time zone such as Europe/Berlin",
        why="the same everywhere",
    )


class Veto(Part):
    """A rule of one's own that comes before accept-all and the model. One condition each."""

    field: Annotated[str, Field(min_length=1, max_length=200)] = says(
        ...,
        "What is looked at: name, bio, age, distance_km, pictures, or a field of the source; "
        "`jobs.title` looks deeper, into lists too.",
        expected="the name of a field",
        why="must be said",
    )
    above: Amount | None = says(
        None, "Holds for a number above this.", expected="a number", why="one condition is enough"
    )
    below: Amount | None = says(
        None, "Holds for a number below this.", expected="a number", why="one condition is enough"
    )
    equals: (
        Annotated[
            tuple[Word | bool | int | float, ...],
            BeforeValidator(_texts),
            Field(min_length=1, max_length=200),
        ]
        | None
    ) = says(
        None,
        "Holds for any of these values; upper and lower case do not differ.",
        expected="a value, or a list of values",
        why="one condition is enough",
    )
    contains: Annotated[Words, Field(min_length=1)] | None = says(
        None,
        "Holds for a text with any of these words.",
        expected="a word, or a list of words",
        why="one condition is enough",
    )
    missing: bool | None = says(
        None,
        "true: holds where there is no such field, or it is empty; false: where there is.",
        expected="true or false",
        why="one condition is enough",
    )
    do: Literal["pass", "leave"] = says(
        "pass",
        "What to do: pass, or leave it to a person.",
        expected="pass or leave",
        why="a veto is a no",
    )

    @property
    def condition(self) -> tuple[str, Any]:
        """The one condition that is given: its key and its value."""
        return next((key, value) for key in CONDITIONS if (value := getattr(self, key)) is not None)


CONDITIONS = ("above", "below", "equals", "contains", "missing")


class Policy(Part):
    """How a deck decides. Made by `check` or `read`, which say what is wrong."""

    accept_all: bool = says(
        False,
        "Rule 3: like every candidate that rules 1 and 2 and the vetoes let through.",
        expected="true or false",
        why="off unless asked for",
    )
    pictures: Pictures = says(
        Pictures, "Rule 1: enough pictures.", expected="a mapping", why="the default"
    )
    age: Age = says(Age, "Rule 4: the declared age.", expected="a mapping", why="the default")
    distance: Distance = says(
        Distance, "Rule 5: the distance.", expected="a mapping", why="the default"
    )
    bio: Bio = says(Bio, "Rule 6: the text.", expected="a mapping", why="the default")
    model: Model = says(Model, "Rule 7: the model.", expected="a mapping", why="the default")
    super_like: SuperLike = says(
        SuperLike, "When a like becomes a super like.", expected="a mapping", why="the default"
    )
    limits: Limits = says(
        Limits, "How much the deck may do.", expected="a mapping", why="the default"
    )
    quiet: Quiet = says(Quiet, "When nothing is done.", expected="a mapping", why="the default")
    veto: Annotated[tuple[Veto, ...], BeforeValidator(_texts), Field(max_length=MAX_VETOES)] = says(
        (),
        "Rules of one's own that come before accept-all and the model, such as "
        "`{field: price, above: 1500}`.",
        expected="a list of rules such as {field: price, above: 1500}",
        why="none were named",
    )
    explore: float = says(
        0.0,
        "Share of the candidates that the model would pass which are liked by chance, to learn "
        "from them. Only while a deck is dry; a live deck never explores.",
        expected="a number from 0 to 0.5",
        why="off unless asked for",
        ge=0,
        le=0.5,
    )

    @classmethod
    def default(cls, people: bool = True) -> Policy:
        """The policy of a deck that was given none; things have no youngest age."""
        return cls() if people else cls(age=Age(min=None))

    @property
    def threshold(self) -> float:
        """Where a like begins: as set, or as the costs of mistakes say."""
        costs = self.model.costs
        if costs is None:
            return self.model.threshold
        return costs.wrong_like / (costs.wrong_like + costs.missed_like)

    def for_people(self) -> Policy:
        """The same for a deck that turned out to hold people: no age in it lies below 18."""
        low, high = self.age.min, self.age.max
        lifted = {
            "min": 18 if low is None or low < 18 else low,
            "max": None if high is None else max(high, 18),
        }
        return self.model_copy(update={"age": self.age.model_copy(update=lifted)})

"""Labels by rules: folders that are classes, and what disqualifies a picture: the key `rules`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tellapart.recipe.fields import Number, Part, Whole, says

#: In the order in which they are asked; the first that decides is the reason.
ORDER = ("bucket", "face", "people", "male", "age")
Rule = Literal["bucket", "face", "people", "male", "age"]
Word = Annotated[str, Field(min_length=1, max_length=200)]


class Rules(Part):
    """From where a picture lies and who is to be seen in it to its class, or to none."""

    buckets: dict[Word, Word] = says(
        ...,
        "Folder → class, such as `{insta/ok: YES, insta/no: NO}`: what lies below the folder "
        "belongs to the class. Of several the longest counts.",
        expected="a mapping from folders to classes",
        why="somebody sorted them into these folders",
        min_length=1,
        max_length=1000,
    )
    otherwise: Word | None = says(
        None,
        "Class of what lies in none of the folders; null: it is left out.",
        expected="a class, or null",
        why="nobody said what it is",
    )
    disqualified: Word | None = says(
        None,
        "Class of what a rule disqualifies; its own folders need no further rule. Null: what is "
        "disqualified is left out.",
        expected="a class, or null",
        why="no class was named",
    )
    order: tuple[Rule, ...] = says(
        ORDER,
        "Order in which the rules are asked; the first that decides is the reason. One that is "
        "not named is not asked.",
        expected="a list of " + ", ".join(ORDER),
        why="what costs nothing and is surest first",
        min_length=1,
        max_length=len(ORDER),
    )
    face: bool = says(
        False,
        "Whether a picture without a face is disqualified.",
        expected="true or false",
        why="pictures need hold no face",
    )
    min_people: Whole = says(
        0,
        "Fewer people than this disqualify; 0: no limit.",
        expected="a whole number from 0 to 1000",
        why="no limit",
        ge=0,
        le=1000,
    )
    max_people: Whole = says(
        0,
        "More people than this disqualify; 0: no limit.",
        expected="a whole number from 0 to 1000",
        why="no limit",
        ge=0,
        le=1000,
    )
    fail_on_male: bool = says(
        False,
        "Whether a face that is estimated to be male disqualifies.",
        expected="true or false",
        why="off unless asked for",
    )
    min_age: Whole = says(
        0,
        "An estimated age below this disqualifies; 0: no limit.",
        expected="a whole number from 0 to 150",
        why="no limit",
        ge=0,
        le=150,
    )
    max_age: Whole = says(
        0,
        "An estimated age above this disqualifies; 0: no limit.",
        expected="a whole number from 0 to 150",
        why="no limit",
        ge=0,
        le=150,
    )
    sure: Number = says(
        0.9,
        "How probable it must be, by the estimate and its stated error, that a limit on age or sex "
        "is broken before it disqualifies; below 1 minus this it is kept; between the two it is "
        "in doubt.",
        expected="a number from 0.5 to 1",
        why="an estimate that may be wrong by years decides nothing near a limit",
        ge=0.5,
        le=1,
    )
    age_error: Number = says(
        7.0,
        "Years by which an age that comes without an error (of an older catalog) may be wrong: "
        "one standard deviation; 0: it is taken at its word.",
        expected="a number from 0 to 100",
        why="what was measured on 627 portraits of known age",
        ge=0,
        le=100,
    )
    doubtful: Literal["leave_out", "disqualify"] = says(
        "leave_out",
        "What becomes of a picture that is in doubt.",
        expected="leave_out or disqualify",
        why="a label that is a guess teaches guessing",
    )

    @property
    def classes(self) -> tuple[str, ...]:
        """All that these rules may say, in alphabetical order."""
        named = {*self.buckets.values(), self.otherwise, self.disqualified} - {None}
        return tuple(sorted(str(name) for name in named))

    @property
    def asks_faces(self) -> bool:
        """Whether a rule asks for faces at all."""
        on = {"face": self.face, "people": self.min_people or self.max_people}
        return self.asks_estimates or any(bool(on.get(rule)) for rule in self.order)

    @property
    def asks_estimates(self) -> bool:
        """Whether a rule asks for ages or sexes."""
        on = {"male": self.fail_on_male, "age": self.min_age or self.max_age}
        return any(bool(on.get(rule)) for rule in self.order)

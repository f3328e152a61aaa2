"""The words of every rule: one place for all sentences that a decision gives as its reason.

No sentence tells a candidate's age, distance or sex: reasons are kept longer than facts.
"""

from __future__ import annotations

#: Every rule that can decide, in the order they are asked, with what it is about.
RULES: dict[str, str] = {
    "adult": "people who are not declared to be 18 or older",
    "problem": "candidates that the source could not read",
    "quiet": "quiet hours",
    "limit": "the policy's own limits",
    "veto": "veto rules",
    "pictures": "1: enough pictures",
    "likes": "2: likes left",
    "accept_all": "3: accept all",
    "age": "4: declared age",
    "distance": "5: distance",
    "bio": "6: the text",
    "model": "7: the model",
    "estimate": "estimated ages that are not clearly adult",
    "person": "a person's own word",
}

REASONS: dict[str, str] = {
    "adult": "Not declared to be 18 or older: not judged, and nothing is kept.",
    "problem": "The source could not read it: {what}.",
    "quiet": "Nothing is done from {hours} ({zone}).",
    "session": "The limit of {limit} acts in one session is reached.",
    "day": "The limit of {limit} acts in one day is reached.",
    "veto": "Veto: {rule}.",
    "veto_person": "Veto: {rule}; a person decides.",
    "pictures": "Fewer pictures than the {minimum} asked for: {found}.",
    "likes_super": "No likes are left; a super like is used instead.",
    "likes": "No likes are left.",
    "super_likes": "No super likes are left.",
    "person": "A person decided.",
    "accept_all": "Accept all is on.",
    "young": "The declared age is below {limit}.",
    "old": "The declared age is above {limit}.",
    "near": "Nearer than {limit:g} km.",
    "far": "Farther than {limit:g} km.",
    "no_bio": "There is no text, and one is required.",
    "ban": "The text has the banned word {word!r}.",
    "super_word": "The text has the super-like word {word!r}.",
    "super_word_like": "The text has the super-like word {word!r}; {why}, so it is a like.",
    "like_word": "The text has the word {word!r}.",
    "first": "Picture {number} has {score}, at or above {threshold}.",
    "first_super": "Picture {number} has {score}, at or above {confidence}: a super like.",
    "learned": "All pictures together have {score}, at or above {threshold}.",
    "learned_super": "All pictures together have {score}, at or above {confidence}: a super like.",
    "none": "No picture reaches {threshold}; picture {number} comes nearest with {score}.",
    "below": "All pictures together have {score}, below {threshold}.",
    "explored": "Liked by chance, to learn from it: {why}",
    "nothing": "There is no picture to judge.",
    "failed": "Not judged: {what}.",
    "failed_pictures": "Not judged: no picture that could be judged reaches {threshold}, but "
    "{what}.",
    "estimate": "An estimate from the pictures is not clearly adult: a person decides.",
    "estimate_failed": "The age could not be estimated from the pictures: a person decides.",
}
_LONGEST = 300


def reason(key: str, **values: object) -> str:
    """The sentence for `key`, cut to a length that a table can hold."""
    text = REASONS[key].format(**values)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def share(value: float) -> str:
    """A probability as people read it, never rounded up to a limit that it does not reach."""
    return f"{int(value * 1000 + 1e-9) / 10:g} %"

"""Rule 7: what the model says of the pictures, one at a time, and how they count together."""

from __future__ import annotations

import random
from dataclasses import replace
from numbers import Real

from tellapart.errors import Interrupted, TellapartError
from tellapart.policy.facts import Decision, Eyes, Judged, Standing
from tellapart.policy.schema import Policy
from tellapart.policy.texts import reason, share


def judged(
    policy: Policy, standing: Standing, eyes: Eyes, chance: random.Random | None
) -> Decision:
    """The model's decision; a model that fails leaves the candidate alone, and never likes it."""
    rule = _Rule(policy, standing)
    try:
        decision = rule.learned(eyes) if policy.model.group == "learned" else rule.first(eyes)
    except Interrupted:
        raise
    except Exception as error:
        what = error.what if isinstance(error, TellapartError) else type(error).__name__
        return Decision("leave", "model", reason("failed", what=what.rstrip(".")))
    return _explored(policy, decision, chance)


class _Rule:
    """The two ways in which pictures count together."""

    def __init__(self, policy: Policy, standing: Standing) -> None:
        self.policy = policy
        self.threshold = policy.threshold
        left = standing.super_likes_left
        self.may_super = "high_confidence" in policy.super_like.when and (left is None or left > 0)

    def first(self, eyes: Eyes) -> Decision:
        """The first picture at or above the threshold likes the whole candidate."""
        best: Judged | None = None
        broken: list[Judged] = []
        for one in eyes.judge():
            score = _score(one.score)
            if score is None or one.problem:
                broken.append(one)
            elif score >= self.threshold:
                return self._like("first", score, one.picture)
            elif best is None or best.score is None or score > best.score:
                best = one
        if broken:
            return self._failed(broken, best)
        if best is None or best.score is None:
            return Decision("pass", "model", reason("nothing"))
        said = reason(
            "none",
            threshold=share(self.threshold),
            number=best.picture + 1,
            score=share(best.score),
        )
        return Decision("pass", "model", said, picture=best.picture, score=best.score)

    def learned(self, eyes: Eyes) -> Decision:
        """One score, learned over all pictures; the picture named is the one that speaks most."""
        seen = list(eyes.judge())
        good = [one for one in seen if _score(one.score) is not None and not one.problem]
        broken = [one for one in seen if one not in good]
        if not seen:
            return Decision("pass", "model", reason("nothing"))
        if not good:
            return self._failed(broken, None)
        best = max(good, key=lambda one: one.score or 0.0)
        score = _score(eyes.whole(good))
        if score is None:
            what = "there is no score of all pictures together"
            return Decision("leave", "model", reason("failed", what=what))
        if score >= self.threshold:
            return self._like("learned", score, best.picture)
        if broken:
            return self._failed(broken, replace(best, score=score))
        said = reason("below", score=share(score), threshold=share(self.threshold))
        return Decision("pass", "model", said, picture=best.picture, score=score)

    def _like(self, key: str, score: float, picture: int) -> Decision:
        confidence = self.policy.super_like.confidence
        if self.may_super and score >= confidence:
            said = reason(
                f"{key}_super", number=picture + 1, score=share(score), confidence=share(confidence)
            )
            return Decision("super_like", "model", said, picture=picture, score=score)
        said = reason(key, number=picture + 1, score=share(score), threshold=share(self.threshold))
        return Decision("like", "model", said, picture=picture, score=score)

    def _failed(self, broken: list[Judged], best: Judged | None) -> Decision:
        """A pass needs every picture: the one that failed might have been the one to like."""
        one = broken[0]
        what = f"picture {one.picture + 1}: {(one.problem or 'no score').rstrip('.')}"
        if best is None:
            return Decision("leave", "model", reason("failed", what=what), picture=one.picture)
        said = reason("failed_pictures", threshold=share(self.threshold), what=what)
        return Decision("leave", "model", said, picture=one.picture, score=best.score)


def _score(value: object) -> float | None:
    """A probability, or None for whatever is none."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    number = float(value)
    return number if 0 <= number <= 1 else None


def _explored(policy: Policy, decision: Decision, chance: random.Random | None) -> Decision:
    """By chance a like, of what the model alone would pass; no rule and no veto is overruled."""
    if chance is None or policy.explore <= 0 or decision.action != "pass":
        return decision
    if decision.score is None or chance.random() >= policy.explore:
        return decision
    why = reason("explored", why=decision.reason)
    return replace(decision, action="like", reason=why, explored=True)

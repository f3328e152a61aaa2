"""An estimated age with its error. It may refuse, it never admits."""

from __future__ import annotations

import math
from dataclasses import dataclass

#: The age of an adult, in years.
ADULT = 18
#: How many errors an estimate must stand above `ADULT` to be clearly an adult's.
CLEARLY = 2.0


@dataclass(frozen=True)
class AgeEstimate:
    """The age of one face as a model says it, and how far such sayings were off."""

    #: As the model says it, in years.
    years: float
    #: Standard deviation, in years, of what is left once `bias` is allowed for.
    error: float
    #: How much older people were than said, on average, where it was checked; unknown: 0.
    bias: float = 0.0

    @property
    def likely(self) -> float:
        """The age with the known bias allowed for."""
        return self.years + self.bias

    @property
    def clearly_adult(self) -> bool:
        """Whether it lies two errors above 18, also without a bias that would raise it.

        No figure shows how such models err on children: so this is no proof of anything. False
        means that no program may go on alone; True means no more than that nothing here forbids it.
        """
        least = min(self.years, self.likely) - CLEARLY * self.error
        # What is no number compares false.
        return math.isfinite(self.error) and self.error > 0 and ADULT <= least < math.inf

    def under(self, years: float) -> float:
        """P(age < `years`), with the stated bias and error; 0.5 where these are no numbers."""
        distance = (years - self.likely) / self.error if self.error > 0 else math.nan
        return 0.5 if math.isnan(distance) else 0.5 * (1 + math.erf(distance / math.sqrt(2)))

"""The ladder: ever dearer models of the same pictures, each kept only where it is better.

Pure logic: what is tried in which order (`rungs`), what fits into the time (`budget`), whether a
model is better than another beyond noise (`judging`). Nothing here reads pictures or needs torch.
"""

from tellapart.learn.ladder.budget import Budget
from tellapart.learn.ladder.judging import Sparing, Verdict, better, figures, level_after, spares

__all__ = ["Budget", "Sparing", "Verdict", "better", "figures", "level_after", "spares"]

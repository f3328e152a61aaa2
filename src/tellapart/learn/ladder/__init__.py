"""The ladder: ever dearer models of the same pictures, each kept only where it is better.

Pure logic: what is tried in which order (`rungs`), what fits into the time (`budget`), whether a
model is better than another beyond noise (`judging`). Nothing here reads pictures or needs torch.
"""

from tellapart.learn.ladder.budget import Budget
from tellapart.learn.ladder.judging import Verdict, better, figures, level_after

__all__ = ["Budget", "Verdict", "better", "figures", "level_after"]

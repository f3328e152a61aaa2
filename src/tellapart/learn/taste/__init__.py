"""One person's taste: a small head on shared features, learned from few labels and corrections.

The chain: `Sight` turns pictures into features, one engine for all users; `fit` makes a `Taste`
of labelled ones; `order` says what to label next, `progress` how far that is; `gate` decides
whether a new head may replace the one that acts, `follow` one that cannot judge any more;
`novelty` says when the stream has changed.
"""

from tellapart.learn.taste.anew import Anew, anew
from tellapart.learn.taste.fitting import fit
from tellapart.learn.taste.gate import Comparison, Verdict, follow, gate
from tellapart.learn.taste.heads import Taste
from tellapart.learn.taste.novelty import Novelty, novelty
from tellapart.learn.taste.ordering import Pick, order
from tellapart.learn.taste.progress import Progress, progress
from tellapart.learn.taste.rows import Labelled, Pool
from tellapart.learn.taste.sight import Look, Sight

__all__ = [
    "Anew",
    "Comparison",
    "Labelled",
    "Look",
    "Novelty",
    "Pick",
    "Pool",
    "Progress",
    "Sight",
    "Taste",
    "Verdict",
    "anew",
    "fit",
    "follow",
    "gate",
    "novelty",
    "order",
    "progress",
]

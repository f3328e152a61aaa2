"""How collecting goes on: what each source is worth, where to go next, when it is enough.

Pure estimation: nothing here knows a catalog, a network or a clock.
"""

from tellapart.learn.collecting.allotment import Pair, targets
from tellapart.learn.collecting.quality import Looked, Quality, Share
from tellapart.learn.collecting.signs import contradicted
from tellapart.learn.collecting.worth import Worth, weigh

__all__ = ["Looked", "Pair", "Quality", "Share", "Worth", "contradicted", "targets", "weigh"]

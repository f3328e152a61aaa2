"""Forgetting: a picture, a creator, a candidate or a user, gone from every place.

`places` knows where something may lie, one function a place; a test compares it with all tables
and folders there are. Steps ask `Refusals` before they keep anything.
"""

from __future__ import annotations

from tellapart.forgetting.certificate import Certificate, Withdrawn
from tellapart.forgetting.forget import forget
from tellapart.forgetting.refusals import REASON, Refusals
from tellapart.forgetting.traces import Asked

__all__ = ["REASON", "Asked", "Certificate", "Refusals", "Withdrawn", "forget"]

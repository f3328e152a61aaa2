"""`Desk`: everything a face may do for one account, each call checked here."""

from __future__ import annotations

from tellapart.runtime.desk.me import Me
from tellapart.runtime.desk.models import Models
from tellapart.runtime.desk.networks import Networks
from tellapart.runtime.desk.workbench import Workbench


class Desk(Workbench, Models, Networks, Me):
    """What one account may see and do. Made by `runtime.entrance.Desks.of(account)`.

    Raises `NotFoundError` for what is not there or not this account's, `InputError` and
    `RecipeError` for what cannot be used, `BusyError` where a run holds the project, and
    `RequestError` (403, 429) where a right or a quota is missing.
    """

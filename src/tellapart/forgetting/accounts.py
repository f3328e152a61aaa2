"""An account with all that is its own."""

from __future__ import annotations

import shutil

from tellapart.forgetting.order import Order
from tellapart.store import schema_accounts as accounts
from tellapart.store import schema_decks as decks


def forget(order: Order) -> dict[str, int]:
    """Only where a user is to be forgotten: row, sessions, tokens, credentials, folder."""
    owner = order.traces.owner
    if order.traces.kind != "user" or not owner:
        return {}
    table, kept, read = accounts.accounts, accounts.credentials, decks.deck_confirmations
    with order.writing() as connection:
        rows = connection.execute(table.delete().where(table.c.id == owner)).rowcount
        credentials = connection.execute(kept.delete().where(kept.c.account_id == owner)).rowcount
        connection.execute(read.delete().where(read.c.owner == owner))
    folder = order.folder(owner)
    had = folder.is_dir()
    shutil.rmtree(folder, ignore_errors=True)
    removed = {"accounts": rows, "credentials": credentials, "folders": int(had)}
    return {name: number for name, number in removed.items() if number}

"""Who may use a server: accounts, sessions, tokens, credentials, and the mails to be sent.

Nothing here lets its reader in: passwords are argon2 hashes, sessions and tokens SHA-256 of
random values, credentials are encrypted with a key that is not in the database. Deadlines that
programs compare to parts of a second are numbers (seconds since 1970), other times are texts.
"""

from __future__ import annotations

import sqlalchemy as sa

from tellapart.store.metadata import metadata, text

#: `u_` and 20 letters of base32.
ID = sa.String(24)


def _account() -> sa.Column[str]:
    return sa.Column(
        "account_id",
        ID,
        sa.ForeignKey("accounts.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    )


accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    #: The name in the form in which two names are the same; so for the address.
    sa.Column("name_key", sa.Text, nullable=False, unique=True),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("email_key", sa.Text, nullable=False, unique=True),
    sa.Column("confirmed", sa.Boolean, nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("closed", sa.Boolean, nullable=False),
    text("password"),
    #: What differs from the server's own quota; NULL: nothing.
    sa.Column("quota", sa.JSON(none_as_null=True)),
    sa.Column("created_at", sa.Text, nullable=False),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("hash", sa.String(64), primary_key=True),
    _account(),
    sa.Column("created_at", sa.Text, nullable=False),
    sa.Column("used_at", sa.Text, nullable=False),
    sa.Column("expires_at", sa.Text, nullable=False),
)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("id", ID, primary_key=True),
    _account(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),
    sa.Column("hint", sa.String(8), nullable=False),
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("created_at", sa.Text, nullable=False),
    text("expires_at"),
    text("used_at"),
)

#: Encrypted. The single user has no row in `accounts`, so nothing points there.
credentials = sa.Table(
    "credentials",
    metadata,
    sa.Column("account_id", ID, primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("changed_at", sa.Text, nullable=False),
)

#: Of the server: whether people may sign up, the quota, the one-time link of the first admin.
account_settings = sa.Table(
    "account_settings",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("value", sa.JSON, nullable=False),
)

#: Counted log-ins; keys are keyed hashes, for people type passwords into the field of the name.
attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("until", sa.Float, nullable=False),
    sa.Column("forget", sa.Float, nullable=False),
)

#: Mails and webhooks, each under a key of its own: put twice is sent once.
outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("key", sa.String(128), primary_key=True),
    sa.Column("owner", ID, nullable=False, index=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("purpose", sa.String(16), nullable=False),
    sa.Column("recipient", sa.Text, nullable=False),
    text("body"),
    text("attachment"),
    sa.Column("state", sa.String(16), nullable=False),
    text("reason"),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Text, nullable=False),
    text("sent_at"),
    sa.Column("due", sa.Float, nullable=False),
    sa.Column("lease", sa.Float, nullable=False),
    text("holder"),
    sa.Index("ix_outbox_state_due", "state", "due"),
    sa.Index("ix_outbox_created_at", "created_at"),
)

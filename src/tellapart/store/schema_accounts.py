"""Who may use a server: accounts, sessions, tokens, quotas, mails, secrets."""

from __future__ import annotations

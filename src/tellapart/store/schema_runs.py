"""Queued and finished runs, their events and the workers that walk them."""

from __future__ import annotations

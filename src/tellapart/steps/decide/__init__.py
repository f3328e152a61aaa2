"""One turn of a deck: candidates are looked at, judged by its policy, and acted upon once."""

from __future__ import annotations

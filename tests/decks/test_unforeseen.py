"""What a stranger's source fails with is told by its type alone."""

from __future__ import annotations

from tellapart.steps.decide.acting import _unclear
from tellapart.steps.decide.plan import unforeseen


def test_a_strangers_text_is_neither_told_nor_kept() -> None:
    error = ValueError("token-4711 of Ada, 17")
    for told in (unforeseen(error), _unclear(error)):
        assert "ValueError" in told.what
        assert "4711" not in str(told.to_dict()) and "Ada" not in str(told.to_dict())

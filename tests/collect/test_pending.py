"""Which row is fetched next: in order, and none of a host that has enough to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tellapart.settings import Settings
from tellapart.steps.collect.candidates import Candidate
from tellapart.steps.collect.hosts import Hosts
from tellapart.steps.collect.pending import Pending

NONE: frozenset[str] = frozenset()


def row(rank: int, host: str, group: int = 0, sha256: str = "") -> Candidate:
    order = (group, float(rank), 0, f"{group}-{rank}")
    url = f"http://{host}/{rank}.jpg"
    return Candidate(order[3], order, url, "", "pending", "", sha256, None, None, None, None, False)


def ids(rows: list[Candidate]) -> list[str]:
    return [one.id for one in rows]


@pytest.fixture
def pending(tmp_path: Path) -> Pending:
    return Pending(Hosts(Settings(home=tmp_path)))


def test_rows_go_in_order_whenever_they_came(pending: Pending) -> None:
    pending.add([row(3, "a"), row(1, "b")])
    pending.add([row(2, "c"), row(0, "d")])
    assert ids(pending.take({}, None, 9, 3)) == ["0-0", "0-1", "0-2"]
    assert len(pending) == pending.ready({}) == 1 and pending.take({}, None, 9, 0) == []


def test_a_host_with_enough_to_do_lets_later_rows_go_first(pending: Pending) -> None:
    pending.add([row(rank, "new" if rank < 10 else f"h{rank}") for rank in range(14)])
    # Two slots of a host that nobody knows, and as many again that wait for them.
    assert ids(pending.take({}, None, 12, 9)) == ["0-0", "0-1", "0-2", "0-3", "0-10", "0-11"]
    assert pending.ready({}) == 8 and pending.take({}, None, 6, 9) == []
    pending.settled(row(0, "new"))
    assert ids(pending.take({}, None, 8, 9)) == ["0-4", "0-12", "0-13"]


def test_what_is_here_needs_no_host(pending: Pending) -> None:
    pending.add([row(rank, "a", sha256="00") for rank in range(20)])
    pending.hold_back(frozenset({"a"}))
    assert len(pending.take({}, None, 20, 20)) == 20


def test_rows_of_hosts_put_back_are_held_until_they_are_not(pending: Pending) -> None:
    pending.add([row(0, "bad"), row(1, "good"), row(2, "bad")])
    assert pending.hold_back(frozenset({"bad"})) and not pending.hold_back(frozenset({"bad"}))
    pending.add([row(3, "bad")])
    assert pending.ready({}) == 1 and len(pending) == 4
    assert ids(pending.take({}, None, 9, 9)) == ["0-1"]
    assert pending.hold_back(NONE)
    assert ids(pending.take({}, None, 9, 9)) == ["0-0", "0-2", "0-3"]
    assert not pending and pending.rows() == []


def test_rows_behind_what_a_page_may_bring_wait(pending: Pending) -> None:
    pending.add([row(0, "a"), row(1, "b"), row(0, "c", group=1), row(5, "d", group=1)])
    assert ids(pending.take({}, (0, 2.0, 0, ""), 9, 9)) == ["0-0", "0-1"]
    assert pending.ready({1: (1, 3.0, 0, "")}) == 1
    assert ids(pending.take({1: (1, 3.0, 0, "")}, None, 9, 9)) == ["1-0"]
    assert ids(pending.take({}, None, 9, 9)) == ["1-5"]

"""10,000 broken bodies: pictures of every format, JSON, forms, the inference protocol, bombs.

No answer may be a 5xx but 503 and 504, none may hold a path of the server or a traceback, every
one of them must be an error in three parts (or an answer, where a mutation did no harm), no
connection may be cut, and the workers must all be there afterwards.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks import HERE, main
from benchmarks.serving import measure, servers
from benchmarks.serving.material import MIDDLE, Material, material
from benchmarks.serving.mutants import Mutant, mutants

BODIES = 10_000
CLIENTS = 4
#: Bodies that are held in memory at once.
PORTION = 2_000


def run(data: Path, small: bool) -> dict[str, Any]:
    found = material(data, small)
    count, portion = (160, 160) if small else (BODIES, PORTION)
    tally = _Tally(found)
    with servers.ours(found, "--workers", "2") as server:
        server.whole(2)
        before = {process.pid for process in server.workers()}
        asked = mutants(count)
        for start in range(0, count, portion):
            tally.portion(server, [next(asked) for _ in range(min(portion, count - start))])
        server.whole(2)
        after = {process.pid for process in server.workers()}
        files = found.pictures[MIDDLE]
        judged = measure.once_each(server, measure.pictures(files))
    return {
        "bodies": count,
        "statuses": dict(sorted(tally.statuses.items())),
        "by_kind": {kind: dict(sorted(n.items())) for kind, n in sorted(tally.kinds.items())},
        "forbidden": dict(tally.forbidden),
        "examples": tally.examples,
        "slowest_ms": round(tally.slowest, 1),
        "workers": {"before": len(before), "after": len(after), "replaced": len(after - before)},
        "right_afterwards": len(files) - judged.wrong(found.expected(files)),
        "asked_afterwards": len(files),
        "pss_mb": tally.pss,
    }


class _Tally:
    """What came back, and what must not."""

    def __init__(self, found: Material) -> None:
        self.statuses: Counter[str] = Counter()
        self.kinds: dict[str, Counter[str]] = {}
        self.forbidden: Counter[str] = Counter()
        self.examples: list[str] = []
        self.slowest = 0.0
        self.pss: list[float] = []
        folder = found.folder.resolve()
        self.secrets = (str(HERE.parent), str(folder), "Traceback", "site-packages", "root:x:")

    def portion(self, server: servers.Server, asked: list[Mutant]) -> None:
        with tempfile.TemporaryDirectory() as temporary:
            requests = []
            for number, one in enumerate(asked):
                file = Path(temporary) / str(number)
                file.write_bytes(one.body)
                requests.append(
                    {
                        "path": one.path,
                        "type": one.kind,
                        "file": str(file),
                        "headers": one.headers,
                    }
                )
            phase = {"clients": CLIENTS, "count": len(asked)}
            (measured,) = measure.drive(server, requests, [phase])
        for reply in measured.replies:
            self._status(asked[reply.item], reply.status)
            self.slowest = max(self.slowest, reply.took)
        for status_class in (2, 4, 5):
            for item, body, _ in measured.bodies(status_class):
                self._body(asked[item], status_class, body)
        self.pss.append(server.pss_mb())

    def _status(self, one: Mutant, status: int) -> None:
        name = str(status) if status else "connection cut"
        self.statuses[name] += 1
        self.kinds.setdefault(one.what, Counter())[name] += 1
        if status == 0 or (status >= 500 and status not in (503, 504)):
            self._forbid(name, one)

    def _body(self, one: Mutant, status_class: int, body: str) -> None:
        for secret in self.secrets:
            if secret in body:
                self._forbid(f"shows {secret!r}", one, body)
        told = measure.parsed(body)
        if status_class != 2:
            error = told.get("error") if isinstance(told, dict) else None
            # The inference protocol wants the error as one line.
            line = one.what == "protocol" and isinstance(error, str) and "Expected:" in error
            parts = isinstance(error, dict) and {"what", "expected", "do"} <= error.keys()
            if not parts and not line:
                self._forbid("an error that is not in three parts", one, body)
        elif not isinstance(told, (dict, list)) and '"binary_data_size"' not in body:
            self._forbid("an answer that is no JSON", one, body)

    def _forbid(self, what: str, one: Mutant, body: str = "") -> None:
        self.forbidden[what] += 1
        if len(self.examples) < 20:
            shown = f"{what}: {one.what} {one.path} {one.kind!r} {one.body[:80]!r} {body[:200]}"
            self.examples.append(shown)


if __name__ == "__main__":
    main(run)

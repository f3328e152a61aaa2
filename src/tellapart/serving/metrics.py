"""What the server counts, and how Prometheus reads it.

Counting is plain Python on the event loop; the Prometheus library is imported with the first
scrape, when it shapes the text.
"""

from __future__ import annotations

import contextlib
import os
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tellapart.serving.batching import Ticket
from tellapart.serving.jobs import Answer, Told
from tellapart.serving.models import ModelInfo

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

#: Upper bounds of the classes of a histogram: seconds, and pictures.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 32, 64)
#: Answers that are counted together.
_TOGETHER = 256
PARTS = ("total", "queue", "decode", "infer")


class Histogram:
    """Counts by class; the last class has no upper bound."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float, often: int = 1) -> None:
        self.counts[bisect_left(self.bounds, value)] += often
        self.total += often * value

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative counts by upper bound, as Prometheus wants them."""
        found, so_far = [], 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            so_far += count
            found.append(("+Inf" if bound == float("inf") else repr(float(bound)), float(so_far)))
        return found


class Metrics:
    """Counts of one server."""

    def __init__(self) -> None:
        #: Answered requests by (route, status).
        self.requests: defaultdict[tuple[str, int], int] = defaultdict(int)
        #: Pictures and rows by (model, version, outcome).
        self.answers: defaultdict[tuple[str, int, str], int] = defaultdict(int)
        #: What happened to the pool, by name.
        self.events: defaultdict[str, int] = defaultdict(int)
        self.seconds = {part: Histogram(SECONDS) for part in PARTS}
        self._fresh: list[tuple[ModelInfo, float, Told, str, float]] = []
        self.body_bytes = 0
        #: Requests being answered.
        self.open = 0
        self.started = time.time()

    def answered(self, answer: Answer) -> None:
        """Count one picture or row."""
        outcome = "error" if answer.error else "abstained" if answer.abstained else "answered"
        self.answers[answer.model, answer.version, outcome] += 1
        self.seconds["queue"].observe(answer.seconds.queue)
        self.seconds["decode"].observe(answer.seconds.decode)
        if answer.error is None:
            self.seconds["infer"].observe(answer.seconds.infer)

    def told(self, ticket: Ticket, told: Told, route: str, taken: float) -> None:
        """Count a request for one picture: now, or later with many others."""
        found = self._fresh
        found.append((ticket.info, ticket.sent - ticket.arrived, told, route, taken))
        if len(found) >= _TOGETHER:
            self.sort_in()

    def sort_in(self) -> None:
        """Count what `told` has gathered."""
        found, self._fresh = self._fresh, []
        total, queue, decode, infer = (self.seconds[part].observe for part in PARTS)
        for info, queued, told, route, taken in found:
            failed = told.status != 200
            outcome = "error" if failed else "abstained" if told.abstained else "answered"
            self.answers[info.name, info.version, outcome] += 1
            self.requests[route, told.status] += 1
            total(taken)
            queue(max(0.0, queued))
            decode(told.decode)
            if not failed:
                infer(told.infer)

    def happened(self, event: str) -> None:
        """Count an event of the pool."""
        self.events[event] += 1


class Exporter:
    """The text of `/metrics`: the server's counts and the pool's figures of now."""

    def __init__(self, metrics: Metrics, stats: Callable[[], dict[str, Any]]) -> None:
        self._metrics = metrics
        self._stats = stats
        self._text: Callable[[], bytes] | None = None

    def text(self) -> bytes:
        """Prometheus's text format, version 0.0.4."""
        if self._text is None:
            from prometheus_client import CollectorRegistry, generate_latest

            registry = CollectorRegistry(auto_describe=False)
            registry.register(self)
            self._text = lambda: generate_latest(registry)
        return self._text()

    def collect(self) -> Iterator[Metric]:
        """All families (called by the registry)."""
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        own = self._metrics
        own.sort_in()
        family = CounterMetricFamily(
            "tellapart_requests", "HTTP requests answered.", labels=("route", "status")
        )
        for (route, status), count in sorted(own.requests.items()):
            family.add_metric((route, str(status)), count)
        yield family
        family = CounterMetricFamily(
            "tellapart_answers",
            "Pictures and rows answered, abstained from, or unusable.",
            labels=("model", "version", "outcome"),
        )
        for (model, version, outcome), count in sorted(own.answers.items()):
            family.add_metric((model, str(version), outcome), count)
        yield family
        family = CounterMetricFamily(
            "tellapart_events", "What happened to workers and models.", labels=("event",)
        )
        for event, count in sorted(own.events.items()):
            family.add_metric((event,), count)
        yield family
        seconds = HistogramMetricFamily(
            "tellapart_seconds",
            "Seconds by part: a request for predictions; a picture's waiting, decoding, inference.",
            labels=("part",),
        )
        for part, found in own.seconds.items():
            seconds.add_metric((part,), found.buckets(), found.total)
        yield seconds
        batches = Histogram(tuple(map(float, SIZES)))
        for size, often in self._stats()["batches"].items():
            batches.observe(size, often)
        sizes = HistogramMetricFamily("tellapart_batch_size", "How many were answered together.")
        sizes.add_metric((), batches.buckets(), batches.total)
        yield sizes
        yield CounterMetricFamily(
            "tellapart_body_bytes", "Bytes of request bodies.", value=own.body_bytes
        )
        gauges = {
            "tellapart_requests_open": ("Requests being answered.", own.open),
            "tellapart_start_time_seconds": ("When the server started.", own.started),
            "tellapart_front_memory_bytes": ("Resident memory of the front.", memory(os.getpid())),
        }
        for name, (text, value) in gauges.items():
            yield GaugeMetricFamily(name, text, value=value)
        yield from self._pool(CounterMetricFamily, GaugeMetricFamily)

    def _pool(self, counter: Any, gauge: Any) -> Iterator[Metric]:
        stats = self._stats()
        workers = stats["workers"]
        for name, text in _POOL_COUNTERS.items():
            yield counter(f"tellapart_pool_{name}", text, value=stats[name])
        for name, text in _POOL_GAUGES.items():
            yield gauge(f"tellapart_pool_{name}", text, value=stats[name])
        ready = sum(worker["ready"] for worker in workers)
        yield gauge("tellapart_pool_workers", "Workers that are ready.", value=ready)
        family = gauge(
            "tellapart_worker_memory_bytes", "Resident memory of a worker.", labels=("pid",)
        )
        for worker in workers:
            family.add_metric((str(worker["pid"]),), memory(worker["pid"]))
        yield family


_POOL_COUNTERS = {
    "served": "Jobs answered.",
    "shed": "Jobs turned away because the queue was full.",
    "late": "Jobs dropped because their deadline had passed.",
    "replaced": "Workers replaced after they died or hung.",
    "hung": "Workers ended because they were silent for too long.",
    "poison": "Pictures and rows that ended two workers.",
    "reloads": "Reloads of bundles.",
}
_POOL_GAUGES = {
    "waiting": "Jobs in the queue.",
    "in_work": "Jobs with a worker.",
}


def memory(pid: int) -> int:
    """Resident bytes of a process; 0 where the system does not tell."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    return 0

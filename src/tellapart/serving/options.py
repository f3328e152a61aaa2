"""Every knob of the server in one place: its default, and what it does."""

# ruff: noqa: RUF009 - the call only makes a dataclass field

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from tellapart.errors import InputError
from tellapart.settings import cores

Log = Literal["requests", "events", "off"]


def _knob(doc: str, default: Any, **more: Any) -> Any:
    return field(default=default, metadata={"doc": doc}, **more)


@dataclass(frozen=True)
class Options:
    """How a server serves. Each field holds its explanation in `metadata["doc"]`."""

    bundles: tuple[Path, ...] = _knob("Bundles: zips, or folders they were unpacked to.", ())

    host: str = _knob("Address to listen on.", "127.0.0.1")
    port: int | None = _knob("TCP port; 0: any free one; None: no TCP.", 8080)
    socket: Path | None = _knob("Unix socket to listen on too.", None)
    grpc_port: int | None = _knob("TCP port for gRPC; 0: any free one; None: no gRPC.", None)

    workers: int = _knob("Processes that answer; 0: as measured, else one a core.", 0)
    threads: int = _knob("Threads of each; 0: as measured, else cores divided by workers.", 0)
    engine: str = _knob("onnxruntime, openvino or auto (as measured).", "auto")
    precision: str = _knob("f32, bf16, f16, int8 or auto (as measured).", "auto")
    device: str = _knob("cpu or cuda.", "cpu")

    max_queue: int = _knob("Jobs that may wait; the next is turned away (503).", 256)
    max_queue_mb: float = _knob("Megabytes of them that may wait.", 256.0)
    max_batch: int = _knob("Items answered together at most; 0: as measured, else 10 ms long.", 0)
    batch_delay: float = _knob("Seconds a job may wait for company; 0: never.", 0.0)
    deadline: float = _knob("Seconds until a request is answered 504.", 10.0)
    hang: float = _knob("Seconds of silence after which a worker is replaced.", 10.0)
    drain: float = _knob("Seconds that running requests get when the server stops.", 10.0)

    max_body_mb: float = _knob("Largest request body, in MB (413).", 25.0)
    max_pixels: int = _knob("Most pixels of a picture (422).", 50_000_000)
    max_pictures: int = _knob("Most pictures or rows of one request (413).", 64)
    max_connections: int = _knob("Connections open at once.", 1000)
    read_timeout: float = _knob("Seconds that a request's header and body may take.", 30.0)
    rate: float = _knob("Requests a second for each client (429); 0: no limit.", 0.0)
    burst: int = _knob("Requests at once before the rate counts; 0: twice the rate.", 0)
    tokens: tuple[str, ...] = _knob("Bearer tokens, one of which is asked for.", (), repr=False)
    trust_local: bool = _knob("Let clients of the Unix socket name files by path.", True)
    urls: bool = _knob("Fetch pictures by URL, through the guarded fetcher.", True)
    why: bool = _knob("Answer `why` with a heat map.", True)
    cors: tuple[str, ...] = _knob("Origins whose pages may ask.", ())

    watch: float = _knob("Seconds between looks for newer bundles; 0: never.", 0.0)
    log: Log = _knob("What is logged on standard error: requests, events or off.", "events")

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            self._at_least(name, 0, above=True)
        for name in _WHOLE_OR_NONE:
            self._at_least(name, 0)
        if self.log not in ("requests", "events", "off"):
            raise _refused("log", self.log, "requests, events or off")
        if self.device not in ("cpu", "cuda"):
            raise _refused("device", self.device, "cpu or cuda")

    def _at_least(self, name: str, least: float, *, above: bool = False) -> None:
        value = getattr(self, name)
        if value is not None and (value < least or value != value or (above and value == least)):
            word = "above" if above else "from"
            raise _refused(name, value, f"a number {word} {least:g}{'' if above else ' up'}")

    @property
    def max_body(self) -> int:
        """The largest request body, in bytes."""
        return int(self.max_body_mb * 1_000_000)

    @property
    def worker_count(self) -> int:
        """How many workers, where nothing was measured."""
        return self.workers or cores()

    @classmethod
    def docs(cls) -> dict[str, str]:
        """What each knob does, by name."""
        return {item.name: item.metadata["doc"] for item in fields(cls)}


_POSITIVE = (
    "max_queue",
    "max_queue_mb",
    "deadline",
    "hang",
    "drain",
    "max_body_mb",
    "max_pixels",
    "max_pictures",
    "max_connections",
    "read_timeout",
)
_WHOLE_OR_NONE = (
    "port",
    "grpc_port",
    "workers",
    "threads",
    "max_batch",
    "batch_delay",
    "rate",
    "burst",
    "watch",
)


def _refused(name: str, value: object, expected: str) -> InputError:
    return InputError(
        f"The server's option {name} is {value!r}.", expected=expected, do="Choose such a value."
    )

"""A public client of the Open Inference Protocol, `tritonclient`, talks to a server unmodified.

Over REST with the binary extension and without, and over gRPC where grpcio is installed on our
side. It lies in an environment of its own (`sh benchmarks/serving/peers.sh FOLDER`, then
TELLAPART_PEERS_SERVING=FOLDER); its answers are compared with the bundle's.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from benchmarks import Skipped, main, timed
from benchmarks.serving import servers
from benchmarks.serving.material import MIDDLE, material
from benchmarks.serving.mixed import NAME

CLIENT = servers.CONTENDERS / "triton_client.py"


def run(data: Path, small: bool) -> dict[str, Any]:
    folder = servers.peers() / "tritonclient"
    if not (folder / ".built").exists():
        raise Skipped(f"{folder} is not built: sh benchmarks/serving/peers.sh {folder.parent}")
    found = material(data, small)
    files = [str(file) for file in found.pictures[MIDDLE]]
    expected = found.expected(found.pictures[MIDDLE])
    port = servers.free_port()
    with_grpc = importlib.util.find_spec("grpc") is not None
    options = ("--grpc-port", str(port)) if with_grpc else ()
    figures: dict[str, Any] = {}
    with servers.ours(found, *options) as server:
        addresses = {"http": f"127.0.0.1:{server.port}"}
        if with_grpc:
            addresses["grpc"] = f"127.0.0.1:{port}"
        for kind, address in addresses.items():
            words = [str(folder / "bin" / "python"), str(CLIENT), kind, address, NAME, *files]
            _, done = timed(words, env={"PATH": "/usr/bin:/bin"})
            figures[kind] = _judged(json.loads(done.stdout), expected)
    if not with_grpc:
        figures["grpc"] = "grpcio is not installed on the server's side"
    return figures


def _judged(told: dict[str, Any], expected: list[dict[str, Any]]) -> dict[str, Any]:
    odds = [list(one["probabilities"].values()) for one in expected]
    found = {name: value for name, value in told.items() if not isinstance(value, list)}
    for name in ("probabilities", "probabilities_as_json"):
        if name in told:
            apart = [
                abs(a - b)
                for row, wanted in zip(told[name], odds, strict=True)
                for a, b in zip(row, wanted, strict=True)
            ]
            found[f"{name}, largest difference"] = round(max(apart), 6)
    pairs = zip(told["labels"], expected, strict=True)
    found["labels_right"] = sum(label == (one["label"] or "") for label, one in pairs)
    found["pictures"] = len(expected)
    return found


if __name__ == "__main__":
    main(run)

"""Several devices at one tuning: a process each, joined by Lightning's distributed data parallel.

This process leads: it decides, looks at validation pictures, keeps the checkpoint. The others
(`follower`) do nothing of their own: each takes its share of every batch, the gradients are
averaged over all, and every process makes the same step. So a batch is as large as on one device,
and rates and schedules mean the same. What the leader says goes through `torch.distributed` as
JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.strategies import DDPStrategy
from numpy.typing import NDArray
from torch import Tensor, distributed, nn

from tellapart.errors import WorkerError

#: How long one process waits for another, such as while the leader prepares pictures.
_PATIENCE = timedelta(hours=12)
#: All processes are on this machine, and nobody else's business.
_LOCAL = {"GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo"}
#: Fewer pictures of a batch are no batch for a batch norm.
_LEAST = 2
#: Seconds between two looks at whether all are ready.
_LOOK = 0.05
#: Characters of a lost process's last words.
_LAST_WORDS = 400


class _Here(LightningEnvironment):  # type: ignore[misc]
    """Tells Lightning that the processes are there, and which of them this is."""

    def __init__(self, rank: int, world: int) -> None:
        super().__init__()
        self._rank, self._world = rank, world

    @property
    def creates_processes_externally(self) -> bool:
        return True

    def local_rank(self) -> int:
        return self._rank

    def global_rank(self) -> int:
        return self._rank

    def node_rank(self) -> int:
        return 0

    def world_size(self) -> int:
        return self._world


@dataclass(frozen=True)
class Place:
    """Which of how many processes this is, and on what kind of device all of them are."""

    rank: int
    world: int
    #: cpu or cuda.
    device: str

    @property
    def backend(self) -> str:
        """What gradients travel by."""
        return "nccl" if self.device == "cuda" else "gloo"

    def mine(self, count: int) -> tuple[slice, float]:
        """This process's rows of a batch of `count`, and by what its mean loss counts.

        The mean over all processes of mean losses times these factors is the mean over the batch.
        Where a batch is too small for all, the last ones look at its first rows for nothing.
        """
        active = min(self.world, max(1, count // _LEAST))
        if self.rank >= active:
            return slice(0, min(_LEAST, count)), 0.0
        bounds = [round(count * part / active) for part in range(active + 1)]
        rows = slice(bounds[self.rank], bounds[self.rank + 1])
        return rows, (rows.stop - rows.start) * self.world / count


class Crew:
    """This process's bond with the others."""

    def __init__(self, place: Place, meeting: Path) -> None:
        self.place = place
        with _environment(_LOCAL):
            distributed.init_process_group(
                place.backend,
                store=distributed.FileStore(str(meeting.absolute()), place.world),
                rank=place.rank,
                world_size=place.world,
                timeout=_PATIENCE,
            )
            self._words = distributed.new_group(backend="gloo", timeout=_PATIENCE)

    def say(self, word: Any) -> None:
        """Tell all others something JSON-able."""
        data = json.dumps(word).encode()
        distributed.broadcast(torch.tensor([len(data)]), 0, group=self._words)
        distributed.broadcast(torch.from_numpy(_numbers(data)), 0, group=self._words)

    def hear(self) -> Any:
        """What the leader says next."""
        length = torch.zeros(1, dtype=torch.int64)
        distributed.broadcast(length, 0, group=self._words)
        data = torch.zeros(int(length), dtype=torch.uint8)
        distributed.broadcast(data, 0, group=self._words)
        return json.loads(data.numpy().tobytes())

    def share(self, net: nn.Module) -> None:
        """Give all others the leader's weights and running statistics."""
        for tensor in net.state_dict().values():
            distributed.broadcast(tensor, 0)

    def total(self, sums: Tensor) -> Tensor:
        """`sums` of all processes together."""
        distributed.all_reduce(sums)
        return sums

    def close(self) -> None:
        """Leave the others."""
        with contextlib.suppress(Exception):  # one of them is gone
            distributed.destroy_process_group()


def _numbers(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8).copy()


def walked(module: LightningModule, turns: Any, place: Place, folder: Path) -> None:
    """Walk a stage in Lightning's hands, together with the other processes."""
    trainer = Trainer(
        accelerator="gpu" if place.device == "cuda" else place.device,
        devices=place.world,
        strategy=DDPStrategy(
            cluster_environment=_Here(place.rank, place.world),
            process_group_backend=place.backend,
        ),
        max_epochs=-1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=str(folder),
    )
    trainer.fit(module, turns)


class Leading:
    """The other processes, and what the leader says to them."""

    def __init__(self, devices: int, device: str, threads: int, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        # A path of its own: one that was left by a killed run would never be met at.
        self._meeting = tempfile.TemporaryDirectory(dir=folder, prefix=".meeting-")
        meeting = Path(self._meeting.name) / "place"
        self._others: list[subprocess.Popen[bytes]] = []
        self._words: list[IO[bytes]] = []
        for rank in range(1, devices):
            words = (Path(self._meeting.name) / f"words-{rank}.txt").open("w+b")
            self._words.append(words)
            said = [str(meeting.absolute()), str(rank), str(devices), device, str(threads)]
            self._others.append(_process([*said, str(folder.absolute())], threads, words))
        try:
            self._await(meeting)
            self.crew = Crew(Place(0, devices, device), meeting)
        except BaseException:
            self.close()
            raise

    def _await(self, meeting: Path) -> None:
        """Wait until all others are about to meet; one that is lost before would never come."""
        waited = [ready(meeting, rank) for rank in range(1, len(self._others) + 1)]
        while not all(file.exists() for file in waited):
            if any(other.poll() is not None for other in self._others):
                lost = self._lost()
                assert lost is not None
                raise lost
            time.sleep(_LOOK)

    @contextlib.contextmanager
    def watched(self) -> Iterator[Crew]:
        """The bond with them; ends them after it. Raises `WorkerError` where one is lost."""
        try:
            yield self.crew
            self.crew.say({"end": True})
        except RuntimeError as error:
            lost = self._lost()
            if lost is None:
                raise  # the leader's own
            raise lost from error
        finally:
            self.close()

    def close(self) -> None:
        """End the other processes."""
        for other in self._others:
            assert other.stdin is not None
            other.stdin.close()
        for other in self._others:
            try:
                other.wait(10)
            except subprocess.TimeoutExpired:
                other.kill()
                other.wait()
        if hasattr(self, "crew"):
            self.crew.close()
        for words in self._words:
            words.close()
        self._meeting.cleanup()

    def _lost(self) -> WorkerError | None:
        """What to say of processes that have ended early; None where all are there."""
        gone = []
        for rank, (other, words) in enumerate(zip(self._others, self._words, strict=True), start=1):
            with contextlib.suppress(subprocess.TimeoutExpired):
                other.wait(5)
            if other.poll() is not None:
                words.seek(0)
                last = words.read().decode("utf-8", "replace").strip()[-_LAST_WORDS:]
                gone.append(f"{rank + 1} (exit status {other.returncode}) {last}".strip())
        if not gone:
            return None
        return WorkerError(
            f"The tuning's process on device {'; '.join(gone)} ended early.",
            expected=f"{len(self._others) + 1} processes, one a device, to the end of the tuning",
            do="Run the same command again: it goes on from the last checkpoint; or use one "
            "device, with `train.devices: 1`.",
        )


def ready(meeting: Path, rank: int) -> Path:
    """The file by which a process says that it is about to meet the others."""
    return meeting.with_name(f"ready-{rank}")


def _process(said: list[str], threads: int, words: IO[bytes]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "tellapart.learn.deep.tuning.follower", *said]
    root = str(Path(__file__).resolve().parents[4])
    path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command,
        stdin=subprocess.PIPE,  # which it reads: it ends when this process does
        stdout=words,
        stderr=words,
        env={**os.environ, **_LOCAL, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": path},
    )


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

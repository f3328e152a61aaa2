"""Measure the variants of a bundle's model on this machine, and choose the fastest that agrees.

Each variant runs in processes of its own: as many as serve later, all at work at once, so that the
figures hold for a machine whose cores are all busy. Rounds are interleaved, so that whatever else
the machine does hits all variants alike; medians count, and the spread is told.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tellapart import telemetry
from tellapart.bundle import agreement
from tellapart.bundle.archive import open_archive
from tellapart.bundle.manifest import Manifest, sha256
from tellapart.bundle.predictor import read_model
from tellapart.errors import TellapartError
from tellapart.serving import heldout, variant
from tellapart.serving.heldout import HeldOut
from tellapart.serving.measured import Benchmark, Measured, Setup
from tellapart.serving.timed_process import Group
from tellapart.serving.variant import Choice
from tellapart.settings import Settings, cores

#: Pictures that go through the model together.
BATCHES = (1, 2, 4, 8)
ROUNDS = 5
_MOST_WORKERS = 16
_SLICE = (0.05, 2.0)

Watch = Callable[[int, int, str], None]


def measure(
    bundle: Path,
    settings: Settings,
    *,
    pictures: Path | None = None,
    seconds: float = 60.0,
    rounds: int = ROUNDS,
    batches: Sequence[int] = BATCHES,
    watch: Watch | None = None,
) -> Benchmark:
    """Compare and time every variant that runs here; `seconds` of timing in all, beside starts.

    `pictures`: a folder of classes to compare on, instead of the bundle's own held-out pictures.
    `watch` gets done, total and a note. Raises what `heldout.gather` raises, `VerificationError`
    for a damaged bundle, and `WorkerError` where the exact model does not run.
    """
    with open_archive(bundle) as archive:
        manifest, model = read_model(archive)
        held = heldout.gather(archive, manifest, pictures)
    against = variant.int8_faults(manifest)
    variants = [
        Measured(choice, known=against if choice.int8 else []) for choice in candidates(manifest)
    ]
    setups = [Setup(w, t, b) for w, t in layouts(cores()) for b in batches]
    total = len(variants) * (1 + rounds)
    done = 0

    def tell(note: str) -> None:
        nonlocal done
        done += 1
        if watch is not None:
            watch(done, total, note)

    with tempfile.TemporaryDirectory(prefix="tellapart-") as name:
        where = Path(name)
        np.save(where / "pictures.npy", held.pictures)
        load = _Loader(bundle.absolute(), where, variant.compiled_dir(settings))
        for _ in _compared(load, variants, held):
            tell("comparing")
        slice_ = seconds / (rounds * len(setups) * max(1, sum(not v.error for v in variants)))
        slice_ = max(_SLICE[0], min(_SLICE[1], slice_))
        for turn in range(rounds):
            # Each round begins with another variant: none is always the first.
            for one in variants[turn % len(variants) :] + variants[: turn % len(variants)]:
                _timed(load, one, setups, slice_)
                tell("timing")
    return Benchmark(
        manifest.name,
        manifest.version,
        sha256(model),
        variants,
        len(held.pictures),
        held.origin,
        _notes(held, manifest),
        variant.int8_sum(manifest),
    )


def candidates(manifest: Manifest) -> list[Choice]:
    """What can be run here, the exact model first, then by how near to it each computes."""
    found = [Choice()]
    int8 = variant.int8_facts(manifest) is not None
    if importlib.util.find_spec("openvino") is not None:
        found += [Choice(engine="openvino", precision=name) for name in _precisions()]
        if int8:
            found.append(Choice(engine="openvino", int8=True))
    if int8:
        found.append(Choice(int8=True))
    return found


def layouts(cores: int) -> list[tuple[int, int]]:
    """(workers, threads each) that fill so many cores: many workers, one, and some between."""
    least = -(-cores // _MOST_WORKERS)
    threads = {least, cores, *({cores // 4} if cores >= 8 else ())}
    return [(max(1, cores // each), each) for each in sorted(threads)]


def _precisions() -> list[str]:
    """Those that OpenVINO computes with on this processor at full speed."""
    telemetry.off()
    import openvino

    known = set(openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    names = {"f32": "FP32", "bf16": "BF16", "f16": "FP16"}
    return [name for name, capability in names.items() if capability in known or name == "f32"]


@dataclass(frozen=True)
class _Loader:
    """Starts processes that run one variant."""

    bundle: Path
    #: With `pictures.npy`.
    folder: Path
    cache_dir: Path

    def __call__(self, choice: Choice, workers: int) -> Group:
        given = {
            "engine": choice.engine,
            "precision": choice.precision,
            "int8": choice.int8,
            "threads": choice.threads,
        }
        load = {
            "bundle": str(self.bundle),
            "pictures": str(self.folder / "pictures.npy"),
            "cache_dir": str(self.cache_dir),
            "choice": given,
        }
        return Group(load, workers)


def _compared(load: _Loader, variants: list[Measured], held: HeldOut) -> Iterator[Measured]:
    """Let each variant answer all pictures; the first is what the others are compared with."""
    file = load.folder / "probabilities.npy"
    reference: Any = None
    decode = 0.0
    for one in variants:
        try:
            threads = cores()
            with load(replace(one.choice, threads=threads), 1) as group:
                if reference is None:
                    decode = _decoding(load.folder, group, held)
                group.ask({"answer": str(file)})
            one.decode = decode
            found = np.load(file)
            reference = found if reference is None else reference
            one.agreement = agreement.compare(reference, found, held.right)
        except TellapartError as error:
            if reference is None:
                raise
            one.error = error.what
        yield one


def _decoding(folder: Path, group: Group, held: HeldOut) -> float:
    """Seconds that a process with the memory settings of the server's takes for a picture."""
    samples = folder / "samples"
    samples.mkdir()
    for number, data in enumerate(held.samples):
        (samples / str(number)).write_bytes(data)
    (told,) = group.ask({"decode": {"folder": str(samples), **held.prepared}})
    return float(told["seconds"])


def _timed(load: _Loader, one: Measured, setups: Sequence[Setup], seconds: float) -> None:
    """One slice of each setup; processes live for all batches of one layout."""
    for workers, threads in dict.fromkeys((s.workers, s.threads) for s in setups):
        if one.error:
            return
        try:
            with load(replace(one.choice, threads=threads), workers) as group:
                one.ready.append(max(answer["ready"] for answer in group.started))
                for setup in setups:
                    if (setup.workers, setup.threads) == (workers, threads):
                        rate, memory = group.timed(setup.batch, seconds)
                        one.rates.setdefault(setup, []).append(rate)
                        one.memory[setup] = memory or 0.0
        except TellapartError as error:
            one.error = error.what


def _notes(held: HeldOut, manifest: Manifest) -> list[str]:
    """What the figures stand on, where that is less than it should be."""
    count, known = len(held.pictures), int((held.right >= 0).sum())
    found = []
    if held.learned:
        found.append(f"{held.learned} pictures were left out: the model learned from them.")
    if not held.listed:
        found.append(
            "The bundle does not list what its model learned from: pictures of these that it "
            "learned from count too, and make variants look more alike than they are."
        )
    if held.unusable:
        found.append(f"{held.unusable} pictures could not be read.")
    if count < agreement.ENOUGH:
        least = agreement.wilson(count, count)[0]
        found.append(
            f"{count} pictures are few: even where all agree, the true share may be as low as "
            f"{100 * least:.1f} %. With {agreement.ENOUGH} it is at least 99.2 %."
        )
    if known < count:
        found.append(f"The right class is known of {known} of {count} pictures.")
    said = manifest.raw.get("variants")
    facts = said.get("int8") if isinstance(said, dict) else None
    if isinstance(facts, dict) and facts.get("left_out"):
        found.append(f"The bundle has no int8 model: it {facts['left_out']}.")
    return found

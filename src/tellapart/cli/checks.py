"""What `tellapart doctor` looks at. Reads, and writes one probe file; never uses the network."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from tellapart import Settings, telemetry
from tellapart.errors import TellapartError

#: Below this much free space a first run may not end: backbone, caches, a thousand pictures.
MIN_FREE = 2_000_000_000
#: How far two engines may differ on the same picture's features.
AGREE = 1e-3


@dataclass(frozen=True)
class Check:
    """One finding. `ok`: True, False, or None where it is only worth knowing."""

    name: str
    ok: bool | None
    what: str
    #: What to do about it; empty where there is nothing to do.
    do: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {"name": self.name, "ok": self.ok, "what": self.what, "do": self.do}

    def __str__(self) -> str:
        mark = {True: "✓", False: "✗", None: "·"}[self.ok]
        return f"{mark} {self.name}: {self.what}" + (f"\n    do: {self.do}" if self.do else "")


def run(settings: Settings) -> list[Check]:
    """All checks, in order; one that fails in an unforeseen way is a finding, not an end."""
    found: list[Check] = []
    for check in _CHECKS:
        found += _guarded(check, settings)
    return found


def _guarded(check: Callable[[Settings], Iterator[Check]], settings: Settings) -> list[Check]:
    name = check.__name__.strip("_")
    try:
        return list(check(settings))
    except TellapartError as error:
        return [Check(name, False, error.what, error.do)]
    except Exception as error:
        return [Check(name, False, f"{type(error).__name__}: {error}", "Report this.")]


def _python(settings: Settings) -> Iterator[Check]:
    ok = sys.version_info >= (3, 11)
    what = f"{platform.python_version()} ({sys.executable})"
    yield Check("python", ok, what, "" if ok else "Install Python 3.11 or newer.")


def _packages(settings: Settings) -> Iterator[Check]:
    """Whether all that the base install asks for is here, and new enough to be imported."""
    missing, present = [], []
    for line in metadata.requires("tellapart") or ():
        if "extra ==" in line:
            continue
        name = _distribution(line)
        try:
            present.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    yield Check("tellapart", True, metadata.version("tellapart"))
    if missing:
        do = f"pip install {' '.join(missing)}"
        yield Check("packages", False, f"missing: {', '.join(missing)}", do)
    else:
        yield Check("packages", True, ", ".join(present))


def _optional(settings: Settings) -> Iterator[Check]:
    found, missing = [], []
    for name in ("torch", "torchvision", "timm", "lightning", "onnxscript", "coremltools"):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if not found:
        what = "[deep] is not installed; only networks need it"
    else:
        what = f"[deep]: {', '.join(found)}"
        if missing:
            what += f"; missing: {', '.join(missing)}"
    do = "pip install 'tellapart[deep]'" if found and missing else ""
    yield Check("optional", None, what, do)


def _processor(settings: Settings) -> Iterator[Check]:
    flags = [name for name in _flags() if name in _TELLING]
    what = f"{platform.machine()}, {os.cpu_count()} cores, {settings.worker_threads} used"
    yield Check("processor", None, what + (f"; {', '.join(flags)}" if flags else ""))


_TELLING = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "asimddp")


def _flags() -> list[str]:
    """What the processor can do, as Linux lists it; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() in {"flags", "Features"}:
            return value.split()
    return []


def _home(settings: Settings) -> Iterator[Check]:
    home = settings.home
    try:
        made = not home.exists()
        home.mkdir(parents=True, exist_ok=True)
        probe = home / f".doctor-{os.getpid()}"
        probe.write_bytes(b"x")
        probe.unlink()
        if made:
            home.rmdir()
    except OSError as error:
        what = f"{home} cannot be written to ({error.strerror or error})"
        yield Check("home", False, what, "Set TELLAPART_HOME to a folder of yours.")
        return
    yield Check("home", True, f"{home} can be written to")


def _disk(settings: Settings) -> Iterator[Check]:
    place = settings.home
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    ok = free >= MIN_FREE
    do = "" if ok else "Free some space (`tellapart clean --cache`), or set TELLAPART_HOME."
    yield Check("disk", ok, f"{free / 1e9:.1f} GB free", do)


def _database(settings: Settings) -> Iterator[Check]:
    from tellapart.catalog import Catalog
    from tellapart.store import database

    if not database.exists(settings):
        yield Check("database", True, "none yet; the first project makes it")
        return
    engine = database.open_database(settings)
    try:
        count = len(Catalog.everyone(engine))
        size = (
            ""
            if settings.database_url
            else f", {settings.database_path.stat().st_size / 1e6:.1f} MB"
        )
        where = f" in {database.where(engine)}" if settings.database_url else ""
        yield Check("database", True, f"{count} projects{size}{where}")
    finally:
        engine.dispose()


def _engines(settings: Settings) -> Iterator[Check]:
    """Both engines give the same features of the same picture."""
    import numpy as np

    from tellapart.learn import backbone, engine

    telemetry.off()
    model = backbone.embedded(settings.cache_dir).onnx
    picture = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), np.uint8)
    answers: dict[str, Any] = {}
    for name in ("onnxruntime", "openvino"):
        try:
            made = engine.Engine(model, threads=1, prefer=name, cache_dir=settings.cache_dir)
            answers[made.name] = made.run(picture)["features"]
        except TellapartError as error:
            yield Check(name, None if name == "openvino" else False, error.what, error.do)
    if len(answers) < 2:
        yield Check("engines", bool(answers) or False, f"only {', '.join(answers) or 'none'}")
        return
    first, second = answers.values()
    away = float(np.abs(first - second).max())
    ok = away <= AGREE
    do = (
        "" if ok else "pip install --upgrade openvino onnxruntime; the reference is used till then."
    )
    yield Check("engines", ok, f"{' and '.join(answers)} agree within {away:.1g}", do)


def _sight(settings: Settings) -> Iterator[Check]:
    """What decks look in, where another precision than fp32 is asked for."""
    from tellapart.learn import backbone, engine

    if settings.sight_precision == "fp32":
        return
    model, cache = backbone.embedded(settings.cache_dir).onnx, settings.cache_dir
    made = engine.Engine(model, threads=1, cache_dir=cache, precision=settings.sight_precision)
    asked = made.precision == settings.sight_precision
    do = "" if asked else "Unset TELLAPART_SIGHT_PRECISION; decks look in fp32."
    yield Check("decks", asked or None, f"look in {made.precision}: {made.reason}", do)


_CHECKS = (
    _python,
    _packages,
    _optional,
    _processor,
    _home,
    _disk,
    _database,
    _engines,
    _sight,
)


def _distribution(requirement: str) -> str:
    name = requirement
    for end in "<>=!~;[ (":
        name = name.partition(end)[0]
    return name.strip()

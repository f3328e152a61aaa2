"""The verb that measures a bundle's variants on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import tellapart
from tellapart.cli.bundles import bundle_path
from tellapart.cli.console import emit, program, table, tell, write
from tellapart.cli.options import BundlePath, Json, Quiet
from tellapart.cli.progress import watching
from tellapart.errors import InputError

if TYPE_CHECKING:
    from tellapart.serving.measured import Benchmark, Measured

_LONGEST = 86_400.0


def benchmark(
    bundle: BundlePath,
    apply: Annotated[
        bool, typer.Option("--apply", help="Let `serve` use the chosen variant on this machine.")
    ] = False,
    pictures: Annotated[
        Path | None,
        typer.Option(
            "--pictures",
            metavar="FOLDER",
            help="Compare on these, one sub-folder a class; default: the bundle's own test and "
            "validation pictures. Training pictures in it are left out.",
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", metavar="N", help="Time for measuring speed.")
    ] = 60.0,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE.png", help="Plot speed against agreement."),
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Time engines, precisions, threads and batches here; choose the fastest that agrees.

    A variant agrees where its likeliest class is the exact model's on 99 % of the pictures, it
    loses at most half a point of accuracy, and its probabilities are as well calibrated. The
    exact model is ONNX Runtime in f32.
    """
    from tellapart.serving import timing, variant

    if not 0 < seconds <= _LONGEST:
        raise InputError(
            f"--seconds is {seconds:g}.",
            expected=f"a number above 0, at most {_LONGEST:g}",
            do="Leave it out for 60 seconds.",
        )
    if out is not None and (out.suffix.lower() != ".png" or not out.absolute().parent.is_dir()):
        raise InputError(
            f"--out is {str(out)!r}.",
            expected="the name of a .png file in a folder that exists",
            do="Write for example `--out variants.png`.",
        )
    settings = tellapart.Settings.from_env()
    with watching(quiet or json) as display:
        found = timing.measure(
            bundle_path(bundle),
            settings,
            pictures=pictures,
            seconds=seconds,
            watch=lambda done, total, note: display(
                tellapart.Progress("benchmark", done, total, note)
            ),
        )
    figures = found.to_dict()
    if out is not None:
        from tellapart.report import variants

        variants.plot(figures, out, settings.cache_dir)
    path = None
    if apply:
        model, int8 = found.model_sha256, found.int8_sha256
        path = variant.apply(model, settings, found.choice, figures, int8)
    if json:
        emit({**figures, "applied": None if path is None else str(path)})
        return
    if quiet:
        write(found.chosen.name)
        return
    write(shown(found))
    for note in found.notes:
        tell(f"note: {note}")
    again = f"{program()} benchmark {bundle} --apply"
    write(f"applied: {path}" if path is not None else f"To serve it so: {again}")


def shown(found: Benchmark) -> str:
    """A table of the variants, and what follows."""
    header = (
        "variant",
        "pictures/s",
        "decoded too",
        "setup",
        "agrees",
        "points",
        "log loss",
        "MB",
        "verdict",
    )
    lines = table((_row(one, found) for one in found.variants), header)
    reason = found.choice.reason.removeprefix("measured here: ").removeprefix(found.chosen.name)
    setup = found.choice
    how = f"{setup.workers} × {setup.threads} threads, up to {setup.max_batch} pictures together"
    chosen = f"chosen: {found.chosen.name} ({how}): {reason.strip()}"
    return f"{lines}\n{found.pictures} {found.origin}\n{chosen}"


def _row(one: Measured, found: Benchmark) -> tuple[str, ...]:
    agreed, best = one.agreement, one.best
    if agreed is None or best is None:
        return (one.name, *["-"] * 7, one.error or "not measured")
    rates = one.rates[best]
    speed = f"{one.rate:.0f} ({min(rates):.0f}–{max(rates):.0f})"
    share = f"{100 * agreed.top1:.1f} % ({100 * agreed.low:.1f}–{100 * agreed.high:.1f})"
    points = "-" if agreed.points is None else _signed(-agreed.points, 1)
    loss = "-" if agreed.log_loss is None else _signed(agreed.log_loss, 3)
    if one is found.chosen:
        verdict = "chosen"
    elif one.faults:
        verdict = "; ".join(one.faults)
    else:
        verdict = "the exact model" if one is found.reference else "agrees"
    setup = f"{best.workers}×{best.threads}, batch {best.batch}"
    return (
        one.name,
        speed,
        f"{one.most:.0f}",
        setup,
        share,
        points,
        loss,
        f"{one.memory[best]:.0f}",
        verdict,
    )


def _signed(value: float, digits: int) -> str:
    """With its sign, but nothing as +0."""
    return f"{round(value, digits) + 0.0:+.{digits}f}"

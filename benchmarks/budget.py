"""`--budget`: seconds of the whole command against those asked for, and what a kill leaves.

The command is timed from its start to its end, with nothing cached. Beside it, commands killed
(SIGKILL) at random moments after the first rung: the next command, with a budget so small that
nothing new fits into it, must give a verified bundle of the last rung that was kept. A turn that
the figure `ladder` has measured with the same set and budget is taken from its result.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import RESULTS, Skipped, main, need, spread
from benchmarks.beside import chains

SETS = ("trashnet_100", "grocery_10", "caltech101_10")
SECONDS = (60, 180, 600)
#: How far a command may be from its budget, as a share of it.
PROMISE = 0.10
KILLS = 10
NAME = "measured"


def run(data: Path, small: bool) -> dict[str, Any]:
    try:
        import torch  # noqa: F401
    except ImportError:
        raise Skipped("torch is not installed: pip install 'tellapart[deep]'") from None
    rows = chains.Rows("budget", small)
    turns = []
    for seconds in () if small else SECONDS:  # the ladder's small scale has a budget too
        for name in SETS:
            measure = partial(_turn, need(data / name), data, seconds)
            row = _of_the_ladder(name, seconds) or rows.get(f"{name}, {seconds} s", measure)
            turns.append(row | {"set": name})
    source = need(data / SETS[0])
    with tempfile.TemporaryDirectory() as temporary:
        folder = chains.few(source, Path(temporary) / SETS[0], 12, 3) if small else source
        weights, seconds = (Path(temporary), 12) if small else (data, 120)
        kills = [
            rows.get(f"kill {number}", partial(_kill, folder, weights, seconds, number))
            for number in range(1 if small else KILLS)
        ]
    return _figures(turns) | {"killed": _killed(kills)}


def _turn(folder: Path, data: Path, seconds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        outcome = chains.train(folder, home, data, *_budget(seconds))
        chains.verify(outcome.bundle, home, data)
    return {
        "budget_s": seconds,
        "elapsed_s": round(outcome.seconds, 2),
        "elapsed_of_budget": round(outcome.seconds / seconds, 4),
        "steps_s": outcome.result["seconds"],
        "rung": outcome.facts.get("rung"),
        "rungs": len(outcome.rungs),
        "test_accuracy": outcome.result["metrics"]["accuracy"],
    }


def _of_the_ladder(name: str, seconds: int) -> dict[str, Any] | None:
    """The turn with the first seed that `ladder` has measured, where it has one."""
    path = RESULTS / "ladder.json"
    found = json.loads(path.read_text())["figures"].get(name) if path.exists() else None
    if found is None or found["budget_s"] != seconds:
        return None
    turn = found["turns"][0]
    return {
        "budget_s": seconds,
        "elapsed_s": turn["good_s"],
        "elapsed_of_budget": round(turn["good_s"] / seconds, 4),
        "rung": turn["rung"],
        "rungs": len(turn["rungs"]),
        "test_accuracy": turn["good"],
        "measured_by": "ladder",
    }


def _budget(seconds: float) -> tuple[str, ...]:
    return ("--effort", "good", "--budget", f"{seconds}s")


def _kill(folder: Path, data: Path, seconds: int, number: int) -> dict[str, Any]:
    """Kill a command some time after its first rung, then ask for a bundle at once."""
    share = random.Random(number).random()
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        words = chains.train_words(folder, NAME, *_budget(seconds))
        start = time.monotonic()
        process = subprocess.Popen(
            words,
            env=chains.environment(home, data),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while not chains.facts(home, NAME):
                if process.poll() is not None:
                    raise RuntimeError("the command ended before its first rung")
                time.sleep(0.1)
            # Up to the end of the training: the steps after it are measured elsewhere.
            time.sleep(share * 0.8 * max(0.0, start + seconds - time.monotonic()))
            was_at_work = process.poll() is None
        finally:
            process.kill()
            process.wait()
        killed_at = time.monotonic() - start
        stands = chains.facts(home, NAME)
        outcome = chains.train(folder, home, data, *_budget(1), name=NAME)
        chains.verify(outcome.bundle, home, data)
    return {
        "killed_at_s": round(killed_at, 2),
        "was_at_work": was_at_work,
        "stood": stands.get("rung"),
        "rungs": len(stands.get("ladder", [])),
        "bundle_of": outcome.facts.get("rung"),
        "same_rung": stands.get("rung") == outcome.facts.get("rung"),
        "to_the_bundle_s": round(outcome.seconds, 2),
    }


def _figures(turns: list[dict[str, Any]]) -> dict[str, Any]:
    if not turns:
        return {}
    shares = [turn["elapsed_of_budget"] for turn in turns]
    return {
        "elapsed_of_budget": {
            f"{turn['set']}, {turn['budget_s']} s": turn["elapsed_of_budget"] for turn in turns
        },
        "furthest_off": round(max(abs(share - 1) for share in shares), 4),
        "within_the_promise": sum(abs(share - 1) <= PROMISE for share in shares),
        "of": len(shares),
        "turns": turns,
    }


def _killed(kills: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "kills": sum(kill["was_at_work"] for kill in kills),
        "verified_bundles": len(kills),  # one that does not verify ends the measurement
        "of_the_last_rung_kept": sum(kill["same_rung"] for kill in kills),
        "rungs_before_the_kill": statistics.median(kill["rungs"] for kill in kills),
        "from_the_next_command_to_its_bundle_s": spread([k["to_the_bundle_s"] for k in kills]),
        "each": kills,
    }


if __name__ == "__main__":
    main(run)

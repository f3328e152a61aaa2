"""What starting costs: `import tellapart` and `tellapart --help`, as whole processes.

Both are given beside an interpreter that does nothing, interleaved.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from benchmarks import main, spread, tellapart, timed


def run(data: Path, small: bool) -> dict[str, Any]:
    commands = {
        "interpreter_alone_s": [sys.executable, "-c", "pass"],
        "import_tellapart_s": [sys.executable, "-c", "import tellapart"],
        "help_s": tellapart("--help"),
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(3 if small else 15):
        for name, command in commands.items():
            seconds, _ = timed(command)
            if turn:
                times[name].append(seconds)
    return {name: spread(values) for name, values in times.items()}


if __name__ == "__main__":
    main(run)

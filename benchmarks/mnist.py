"""`{data: mnist, effort: good}`: our own network of under 100,000 parameters, the whole training.

The design was chosen on a validation part of the training pictures; the test pictures are asked
once, here.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import Skipped, main, need, tellapart, timed
from benchmarks.old_specs import fewer


def run(data: Path, small: bool) -> dict[str, Any]:
    try:
        import torch  # noqa: F401
    except ImportError:
        raise Skipped("torch is not installed: pip install 'tellapart[deep]'") from None
    folder = need(data / "mnist")
    with tempfile.TemporaryDirectory() as temporary:
        spec = Path(temporary) / "mnist.yaml"
        asked = {"name": "mnist-good", "data": "mnist", "effort": "good"}
        if small:
            asked["train"] = {"epochs": 1}  # type: ignore[assignment]
            folder = fewer(folder, Path(temporary) / "mnist", 15_000, 1_000)
        spec.write_text(json.dumps(asked))
        home = Path(temporary) / "home"
        environment = {
            **os.environ,
            "TELLAPART_HOME": str(home),
            "TELLAPART_DATASETS": str(folder.parent),
        }
        command = tellapart("run", str(spec), "--json", "--quiet")
        seconds, done = timed(command, env=environment)
        from tellapart.learn import outcome

        facts = outcome.load(home / "projects" / "mnist-good" / "work").facts
    said = json.loads(done.stdout.splitlines()[-1])
    return {
        "parameters": facts["parameters"],
        "epochs": facts["epochs_asked"],
        "precision": facts["precision"],
        "training_s": facts["seconds"],
        "validation_accuracy": facts["validation"]["accuracy"],
        "test_accuracy": said["metrics"]["accuracy"],
        "whole_chain_s": round(seconds, 1),
    }


if __name__ == "__main__":
    main(run)

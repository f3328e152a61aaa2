"""What the containers' files say is what the program has: verbs, options, settings, packages."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import typer
import yaml

from tellapart.cli.app import build
from tellapart.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def _accepts(words: list[str]) -> None:
    """Raises where the command line would refuse them."""
    app: Any = build()
    verbs: Any = app if hasattr(app, "commands") else typer.main.get_command(app)
    with verbs.commands[words[0]].make_context(words[0], [*words[1:]]):
        pass


def test_the_compose_file_runs_what_there_is() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert set(services) == {"database", "app", "worker"}
    known = {field.metadata["env"] for field in fields(Settings)}
    for name in ("app", "worker"):
        _accepts(services[name]["command"])
        assert set(services[name]["environment"]) <= known
        assert services[name]["volumes"] == ["home:/data"]
    assert services["app"]["ports"] == ["127.0.0.1:8080:8080"], "for the proxy alone"
    assert services["worker"]["deploy"]["replicas"] == 2


def test_the_image_takes_what_the_build_needs_and_runs_what_there_is() -> None:
    text = (ROOT / "Containerfile").read_text()
    copied = re.findall(r"^COPY (.+)$", text, flags=re.M)
    for place in " ".join(line.rpartition(" ")[0] for line in copied).split():
        assert (ROOT / place).exists(), place
    command = re.search(r"^CMD (.+)$", text, flags=re.M)
    assert command is not None
    _accepts(json.loads(command[1]))
    assert "USER tellapart" in text

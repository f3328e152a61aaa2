"""The command line, Python and the documents use the same words, and none is left out."""

from __future__ import annotations

import importlib.util
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import typer

import tellapart
from tellapart.cli.app import VERBS, build
from tellapart.cli.stepping import curate
from tellapart.recipe import Curate
from tellapart.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def commands() -> dict[str, Any]:
    """Verb (`recipe check` too) → its command."""
    app = build()
    group = app if hasattr(app, "commands") else typer.main.get_command(app)
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        # `curate` alone is its own first verb.
        default = getattr(command, "default", None)
        named = {name if k == default else f"{name} {k}": c for k, c in (inner or {}).items()}
        found |= named or {name: command}
    return found


def sections() -> dict[str, str]:
    text = (DOCS / "cli.md").read_text(encoding="utf-8")
    parts = re.split(r"^### `tellapart ([^`]+)`$", text, flags=re.M)
    groups = "recipe|weights|service|accounts|runs|deck|curate|sources"
    return {
        re.match(rf"(({groups}) )?[a-z]+", title)[0]: body.split("\n## ")[0]  # type: ignore[index]
        for title, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def test_every_verb_and_no_other_is_documented() -> None:
    assert set(sections()) == set(commands())


@pytest.mark.parametrize("verb", sorted(commands()))
def test_every_option_is_documented_and_every_documented_one_exists(verb: str) -> None:
    command = commands()[verb]
    assert command.help and len(command.help) > 15
    text = sections()[verb]
    existing: set[str] = set()
    for option in command.params:
        both = [*option.opts, *option.secondary_opts]
        names = {name for name in both if name.startswith("--")}
        existing |= names
        assert (
            not names or names & set(re.findall(r"--[a-z0-9-]+", text)) or _for_all(verb, names)
        ), f"{verb} {names} is not in docs/cli.md"
        assert getattr(option, "help", None), f"{verb} {option.name} has no help"
    # Examples may show other verbs.
    text = re.sub(r"```.*?```|`tellapart [^`]+`", "", text, flags=re.S)
    told = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", text))
    assert told <= existing, f"docs/cli.md tells of {told - existing} at {verb}"


def _for_all(verb: str, names: set[str]) -> bool:
    """Steps share one sentence about --quiet and --json."""
    return verb in tellapart.ORDER and names <= {"--quiet", "--json"}


def test_steps_verbs_and_methods_are_the_same_words() -> None:
    verbs = set(commands())
    for step in tellapart.ORDER:
        assert step in verbs
        assert inspect.isfunction(getattr(tellapart.Project, step))
    by_name = {verb.__name__ for verbs in VERBS.values() for verb in verbs}
    for call in ("make", "train", "run", "verify"):
        assert call in by_name and callable(getattr(tellapart, call))
    assert callable(tellapart.Project.relabel) and "relabel" in by_name
    assert callable(tellapart.Bundle.predict) and "predict" in by_name


def test_every_exit_code_is_documented() -> None:
    from tellapart.errors import TellapartError

    kinds = [TellapartError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    ours = {kind.exit_code for kind in kinds if kind.__module__.startswith("tellapart.")}
    text = (DOCS / "cli.md").read_text(encoding="utf-8")
    told = {int(code) for code in re.findall(r"\| (\d+) (?=\|)", text)}
    assert ours | {0} == told


def test_every_threshold_is_an_option_of_curate() -> None:
    options = set(inspect.signature(curate).parameters)
    assert set(Curate.model_fields) <= options


@pytest.mark.parametrize("page", ["settings.md", "recipe.md"])
def test_generated_pages_are_what_the_code_says(page: str) -> None:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    written = (DOCS / page).read_text(encoding="utf-8")
    assert written == generate.PAGES[page](), "run: python docs/generate.py"


def test_every_setting_and_every_recipe_key_is_on_its_page() -> None:
    import dataclasses

    settings = (DOCS / "settings.md").read_text(encoding="utf-8")
    for field in dataclasses.fields(Settings):
        assert f"`{field.metadata['env']}`" in settings
    recipe = (DOCS / "recipe.md").read_text(encoding="utf-8")
    for key in Curate.model_fields:
        assert f"`curate.{key}`" in recipe


def test_the_readme_leads_to_the_pages_and_names_existing_verbs() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "docs/cli.md" in readme and "docs/settings.md" in readme
    named = set(re.findall(r"\btellapart ([a-z]+)\b", " ".join(re.findall(r"`[^`]+`", readme))))
    assert named <= {verb.split()[0] for verb in commands()}

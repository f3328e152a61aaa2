"""Options that several verbs share, each written once.

Values that are keys of a recipe are taken as text: the recipe's own check reads them, so that
all of them are judged at once and in the same words as in a file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tellapart.errors import InputError

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object as the last line of the output.")
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Show no progress, and of the result only its path.")
]
Name = Annotated[
    str | None,
    typer.Option("--name", "-n", metavar="NAME", help="Name of the project and its bundles."),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="PATH", help="Folder or file to copy the finished bundle to."
    ),
]
Effort = Annotated[
    str | None,
    typer.Option(
        "--effort",
        metavar="quick|good",
        help="The one dial; quick: seconds on a CPU; good: a network, for tables and data sets.",
    ),
]
Seed = Annotated[
    str | None,
    typer.Option("--seed", metavar="N", help="Seed of everything drawn by chance; default 0."),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any other key of a recipe, such as `curate.min_side=64`; may be repeated.",
    ),
]
Project = Annotated[str, typer.Argument(metavar="NAME", help="The project's name.")]
BundlePath = Annotated[
    str,
    typer.Argument(
        metavar="BUNDLE",
        help="A bundle's zip or unpacked folder, or a project's name for its latest version.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


#: What calls take beside the keys of a recipe.
_OPTIONS = frozenset({"out", "progress", "settings"})


def fill_in(argv: list[str]) -> list[str]:
    """`argv` with the value of an option whose value may be left out.

    `--quickml-layout` alone, before another option or before an existing file (the recipe) means
    its default folder.
    """
    from tellapart.quickml import DEFAULT

    found = list(argv)
    for place, word in enumerate(argv):
        after = argv[place + 1] if place + 1 < len(argv) else "-"
        if word == "--quickml-layout" and (after.startswith("-") or Path(after).is_file()):
            found[place] = f"{word}={DEFAULT}"
    return found


def recipe_keys(pairs: list[str] | None, **values: Any) -> dict[str, Any]:
    """The recipe keys of a command: `--set` pairs, then the options that were given.

    Values are read as YAML, so that numbers, lists and null mean what they mean in a recipe.
    Raises `InputError` for a pair without `=`.
    """
    from tellapart.recipe import parse

    found: dict[str, Any] = {}
    for pair in pairs or ():
        path, equals, text = pair.partition("=")
        keys = path.strip().split(".")
        if not equals or not all(keys) or keys[0] in _OPTIONS:
            raise InputError(
                f"The option --set is {pair!r}.",
                expected="KEY=VALUE, such as curate.min_side=64",
                do="Write the key, `=` and the value; `tellapart recipe schema` lists the keys.",
            )
        inner = found
        for key in keys[:-1]:
            inner = inner.setdefault(key, {})
            if not isinstance(inner, dict):
                raise InputError(
                    f"The option --set {pair!r} contradicts another --set.",
                    expected=f"{key!r} to be one value or a group of keys",
                    do="Remove one of the two.",
                )
        inner[keys[-1]] = parse(text)
    return found | {key: value for key, value in values.items() if value not in (None, [], ())}

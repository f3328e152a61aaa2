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
At = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        help="Queue it at this server instead of working here; TELLAPART_TOKEN lets you in.",
    ),
]
Follow = Annotated[
    bool,
    typer.Option("--follow", help="With --server: watch it there until it ends."),
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
        metavar="quick|good|best",
        help="The one dial; quick: seconds on a CPU; good: within 10 minutes, a network for tables "
        "and data sets; best: within 2 hours, pictures only.",
    ),
]
Budget = Annotated[
    str | None,
    typer.Option(
        "--budget",
        metavar="TIME",
        help="Time for the whole command, such as 90s, 5m or 2h: the best model of pictures that "
        "fits into it. Means --effort good where none is given.",
    ),
]
Backbone = Annotated[
    str | None,
    typer.Option(
        "--backbone",
        metavar="NAME",
        help="Pretrained network by its name in timm; `tellapart weights list` shows those here.",
    ),
]
Shipped = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="swipr|picaisso",
        help="Start from a recipe that comes with the program; other options replace its own.",
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device", metavar="auto|cpu|cuda|mps", help="Where networks are trained; default auto."
    ),
]
Devices = Annotated[
    str | None,
    typer.Option("--devices", metavar="N", help="How many devices train together; default 1."),
]
Int8 = Annotated[
    bool | None,
    typer.Option(
        "--int8/--no-int8",
        help="Of pictures: a second model in 8 bits beside the exact one (needs nncf); default: "
        "with --effort good or best and no budget, where it answers as the exact one.",
    ),
]
Seed = Annotated[
    str | None,
    typer.Option("--seed", metavar="N", help="Seed of everything drawn by chance; default 0."),
]
IgnoreRobots = Annotated[
    list[str] | None,
    typer.Option(
        "--ignore-robots",
        metavar="HOST",
        help="Leave this host's robots.txt aside, may be repeated: your own act, by name, noted "
        "in the project. Opt-out headers are heeded all the same.",
    ),
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
Record = Annotated[
    Path | None,
    typer.Option(
        "--record",
        metavar="FOLDER",
        help="Keep the searches and downloads in FOLDER, as a cassette.",
    ),
]
Replay = Annotated[
    Path | None,
    typer.Option(
        "--replay",
        metavar="FOLDER",
        help="Collect from the cassette in FOLDER instead of the network.",
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


def taped(record: Path | None, replay: Path | None, server: str | None = None) -> Any:
    """The settings of a command that keeps a cassette or plays one; None where it does neither.

    Raises `InputError` for both at once, and for a server, which does neither.
    """
    if record is None and replay is None:
        return None
    if server is not None or (record is not None and replay is not None):
        other = "--server" if server is not None else "--replay"
        raise InputError(
            f"{'--record' if record is not None else '--replay'} is given beside {other}.",
            expected="one of --record, --replay and --server",
            do=f"Leave out {other}.",
        )
    from dataclasses import replace

    from tellapart.settings import Settings

    # The option wins over the environment, also over the other of the two.
    return replace(
        Settings.from_env(),
        record=None if record is None else record.absolute(),
        replay=None if replay is None else replay.absolute(),
    )


def recipe_keys(pairs: list[str] | None, **values: Any) -> dict[str, Any]:
    """The recipe keys of a command: `--set` pairs, then the options that were given.

    An option `train__device` is the key `train.device`. Values of pairs are read as YAML, so that
    numbers, lists and null mean what they mean in a recipe.
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
    given = {key: value for key, value in values.items() if value not in (None, [], ())}
    for key in [key for key in given if "__" in key]:
        group, _, inner_key = key.partition("__")
        inside = found.get(group, {})
        if not isinstance(inside, dict):  # `--set train=3`: the recipe's check says what is wrong
            inside = {}
        given[group] = {**inside, **given.get(group, {}), inner_key: given.pop(key)}
    return found | given

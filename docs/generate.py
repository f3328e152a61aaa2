"""Write the reference pages that are made from the code: `python docs/generate.py`.

A test fails where a page is not what this writes, so neither can fall behind.
"""

from __future__ import annotations

import json
import re
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tellapart.datasets import FACTS
from tellapart.policy import RULES, template
from tellapart.policy.describing import inner_rows, rows
from tellapart.policy.schema import Costs, Veto
from tellapart.recipe.layers import KINDS
from tellapart.recipe.schema import (
    ClassOptions,
    Compile,
    Curate,
    Recipe,
    Rules,
    Split,
    Train,
    extra_of,
    written_keys,
)
from tellapart.recipe.tuning import Augmentation, Stage
from tellapart.settings import Settings

HERE = Path(__file__).resolve().parent


def settings_page() -> str:
    """`docs/settings.md`: one row an environment variable."""
    rows = [
        f"| `{field.metadata['env']}` | {field.metadata['doc']} | {_default(field)} |"
        for field in fields(Settings)
    ]
    return "\n".join(
        [
            "# Settings",
            "",
            "What differs between machines is set by environment variables, read where a process",
            "starts. What belongs to one project stands in its [recipe](recipe.md). A value of the",
            "wrong kind is an error that names the variable.",
            "",
            "| variable | meaning | default |",
            "|---|---|---|",
            *rows,
            "| `TELLAPART_DEBUG` | 1: show the traceback of an unforeseen error. | off |",
            "| `TELLAPART_TOKEN` | Bearer token that `tellapart compute` sends. | none |",
            "| `TELLAPART_SERVE_TOKENS` | One of these (`t1,t2`) is asked for by `serve`. | none |",
            "",
            "`tellapart path` prints `TELLAPART_HOME`; `tellapart doctor` checks that it works.",
            "",
        ]
    )


def recipe_page() -> str:
    """`docs/recipe.md`: one row a key, with its default and the reason for it."""
    lines = [
        "# Recipes",
        "",
        "A recipe says what to tell apart and how: YAML or JSON. `tellapart run RECIPE` runs it,",
        "`tellapart recipe check FILE` lists all its problems at once, or what would run and why,",
        "`tellapart recipe schema` prints its JSON Schema for editors. The smallest one:",
        "",
        "```yaml",
        "classes: [apple, pear]",
        "```",
        "",
        "A network of one's own, layer by layer:",
        "",
        "```yaml",
        *_example("mnist_cnn.yaml"),
        "```",
        "",
        "Every key may be left out or written `auto`: the value below is taken then. Class names",
        "are taken as written, `yes`, `no` and `1.10` too. Paths count from the recipe's folder.",
        "",
        "Specs of the older program (JSON with `model` and `dataset`) run unchanged; `tellapart",
        "recipe convert FILE` writes them in this spelling. Problems are told with their lines.",
        "",
    ]
    parts: list[tuple[str, str, type[BaseModel]]] = [
        ("Top level", "", Recipe),
        ("classes.CLASS", "", ClassOptions),
        ("rules", "rules.", Rules),
        ("curate", "curate.", Curate),
        ("split", "split.", Split),
        ("train", "train.", Train),
        ("train.stages", "", Stage),
        ("train.augmentation", "augmentation.", Augmentation),
        ("compile", "compile.", Compile),
    ]
    for title, prefix, part in parts:
        heading = title if part is Recipe else f"`{title}`"
        lines += [f"## {heading}", "", "| key | meaning | allowed | default, and why |"]
        lines += ["|---|---|---|---|"]
        hidden = set(Recipe.model_fields) - set(written_keys()) if part is Recipe else set()
        lines += [_row(prefix, key, part) for key in part.model_fields if key not in hidden]
        lines.append("")
    return "\n".join([*lines, *_layers(), *_data_sets()])


_POLICY = """
# Policies

A policy says how a deck decides: YAML or JSON, checked whole before it is used. Every key may be
left out; the defaults are those of the program that decks replace. One who knows what it wants:

```yaml
age: {min: 25, max: 40}
distance: {max: 30}
bio:
  ban: [smoker]
  like: [hiking, climb*]
model:
  costs: {wrong_like: 2, missed_like: 1}
limits: {day: 100}
quiet: {hours: 23:00-07:00, timezone: Europe/Berlin}
```

For things rather than people, such as flats:

```yaml
pictures: {min: 3}
veto:
  - {field: price, above: 1500}
  - {field: address.city, equals: [Bonn, Cologne]}
  - {field: floor, missing: true, do: leave}
```

## The order

The first rule that decides ends it. Each decision tells its rule, its reason in one sentence and,
where the model decided, the picture. The model is asked last and picture by picture: a rule that
decides costs no call of it.

{rules}

- **`adult`** comes before everything: in a deck of people, who declares no age, or one under 18, is
  not judged, and nothing is kept but a count. **`estimate`** comes after everything: where an act
  (also a pass) would follow and an age estimated from the pictures is not clearly adult, nothing is
  done by itself and a person decides. An estimate never admits anybody. No key, no accept-all and
  no chance changes either.
- `problem`: what a source could not read is left alone, and shown with the reason.
- `quiet` and `limit` end the turn, as `likes` does: nobody is passed because of them.
- `veto` rules come before accept-all; the seven rules follow in the order of the older program.
- A model that fails has **not judged**: the candidate is left as it is, never liked. One picture
  that cannot be judged does not undo a like by another one, but a pass needs every picture.
- Words are found whole, in any case: `art` is not in *party*; `climb*` is in *climbing*. What a
  candidate does not say (a distance, in decks of things an age) is not out of range; a veto with
  `missing: true` makes it so.
- Super likes, which many services sell, are used only as `super_like.when` says.
- `explore` holds only while a deck is dry. What is drawn for a candidate is the same every time.
- Reasons tell of the policy, never of a candidate's age, distance or sex: they are kept longer.

**Replay** decides yesterday's candidates anew under a changed policy, with the facts and scores as
they were recorded, before it is applied. Where it would need a score that was never asked for, it
says so. Under the same policy, all decisions come out the same.
"""


def policy_page() -> str:
    """`docs/policy.md`: the order of the rules, one row a key, and the file to begin with."""
    columns = ["| key | meaning | allowed | default, and why |", "|---|---|---|---|"]

    def table(found: list[tuple[str, str, str, str]]) -> list[str]:
        return [*columns, *(f"| `{key}` | {' | '.join(rest)} |" for key, *rest in found), ""]

    ruled = "\n".join(f"| `{rule}` | {about} |" for rule, about in RULES.items())
    return "\n".join(
        [
            _POLICY.strip().replace("{rules}", f"| rule | about |\n|---|---|\n{ruled}"),
            "",
            "## Keys",
            "",
            *table(rows()),
            "### `model.costs`",
            "",
            *table(inner_rows(Costs, "model.costs.")),
            "### One rule of `veto`",
            "",
            *table(inner_rows(Veto)),
            "## The file to begin with",
            "",
            "```yaml",
            template().rstrip(),
            "```",
            "",
        ]
    )


def _example(file: str) -> list[str]:
    """The keys of an example that stand in most recipes; its names and notes left out."""
    text = (HERE.parent / "examples" / file).read_text(encoding="utf-8")
    text = text[text.index("data:") : text.index("compile:")]
    return re.sub(r"name: layer_\d+(, )?", "", text).replace(": {}", "").strip().splitlines()


def _row(prefix: str, key: str, part: type[BaseModel]) -> str:
    field = part.model_fields[key]
    words = extra_of(field)
    default = _shown(field.get_default(call_default_factory=True), field.is_required())
    why = f"{default}: {words['why']}" if default else words["why"]
    key = "with" if key == "with_" else key
    return f"| `{prefix}{key}` | {field.description} | {words['expected']} | {why} |"


def _layers() -> list[str]:
    """The kinds of layers and their options; what several share is said once."""
    lines = [
        "## `layers`",
        "",
        "A layer is its bare kind (`flatten`) or `{kind: options}`. Pictures are height × width ×",
        "channels; the last layer gives one number a class. Every kind may have a `name`.",
        "",
    ]
    shared = set(KINDS["conv2d"].model_fields) & set(KINDS["dense"].model_fields) - {"name"}
    for kind, model in KINDS.items():
        keys = [key for key in model.model_fields if key not in shared | {"name"}]
        lines += [f"### `{kind}`", "", str(model.__doc__), ""]
        if kind in {"conv2d", "dense"}:
            lines += [
                "Also the [options of layers with weights](#options-of-layers-with-weights).",
                "",
            ]
        if keys:
            lines += ["| option | meaning | allowed | default, and why |", "|---|---|---|---|"]
            lines += [*(_row("", key, model) for key in keys), ""]
    lines += ["### Options of layers with weights", ""]
    lines += ["| option | meaning | allowed | default, and why |", "|---|---|---|---|"]
    keys = [key for key in KINDS["dense"].model_fields if key in shared]
    return [*lines, *(_row("", key, KINDS["dense"]) for key in keys), ""]


def _data_sets() -> list[str]:
    lines = [
        "## Data sets by name",
        "",
        "| `data` | what | a sample | classes | samples | license |",
    ]
    lines.append("|---|---|---|---|---|---|")
    for facts in FACTS.values():
        shape = "×".join(map(str, facts.shape)) + (" numbers" if len(facts.shape) == 1 else "")
        lines.append(
            f"| `{facts.name}` | {facts.about} | {shape} | {len(facts.classes)} | {facts.rows:,} "
            f"| {facts.license} |"
        )
    return [*lines, ""]


def _default(field: Field[Any]) -> str:
    if field.default is MISSING:
        return "the platform's folder for user data"
    if field.default in (None, (), ""):
        return "none"
    number = isinstance(field.default, bool | int | float)
    return f"`{field.default:g}`" if number else f"`{field.default}`"


def _shown(value: Any, required: bool) -> str:
    if required:
        return ""
    if isinstance(value, BaseModel):
        return "see below"
    if isinstance(value, dict):
        return "none"
    if isinstance(value, tuple):
        return f"`[{', '.join(str(getattr(item, 'name', item)) for item in value)}]`"
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


PAGES = {"settings.md": settings_page, "recipe.md": recipe_page, "policy.md": policy_page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")

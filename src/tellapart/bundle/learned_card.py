"""The model card of a network or a table model: what it is, how good, how to use each file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tellapart.bundle import card_people as people
from tellapart.bundle import licenses
from tellapart.bundle.card import FIGURES, TYPES, decimal, is_number, license_answers, plain

#: Columns and layers listed; there may be thousands.
_SHOWN = 40

_ROWS_SNIPPET = """\
import tellapart

bundle = tellapart.Bundle.load({file!r})
answer = bundle.predict({row})
print(answer.label, answer.probabilities)
"""
_PICTURES_SNIPPET = """\
import tellapart

answer = tellapart.Bundle.load({file!r}).predict("picture.png")
print(answer.label, answer.probabilities)
"""
_COREML_SNIPPET = """\
import coremltools
{imports}
model = coremltools.models.MLModel({file!r})  # runs on macOS
print(model.predict({{{name!r}: {value}}}))
"""


def card(manifest: Mapping[str, Any]) -> str:
    """README.md of the bundle of format 2 that `manifest` describes."""
    parts = [
        _front(manifest),
        _head(manifest),
        _use(manifest),
        _coreml(manifest),
        _figures(manifest),
        people.section(manifest),
        _data(manifest),
        _made(manifest),
        _limits(manifest),
    ]
    return "\n".join(part.rstrip() + "\n" for part in parts if part)


def _front(manifest: Mapping[str, Any]) -> str:
    """YAML; every text is written as JSON writes it, which YAML reads alike."""
    metrics, name = manifest["metrics"], json.dumps(manifest["name"], ensure_ascii=False)
    task = manifest["task"]
    tags = [task, "onnx", *["coreml"] * bool(_coreml_files(manifest)), "tellapart"]
    title = "Image classification" if task.startswith("image") else "Tabular classification"
    lines = [
        "---",
        "license: other",
        "license_name: see-data",
        'license_link: "#data"',
        "library_name: onnx",
        f"pipeline_tag: {task}",
        f"tags: [{', '.join(tags)}]",
        "model-index:",
        f"- name: {name}",
        "  results:",
        f"  - task: {{type: {task}, name: {title}}}",
        f"    dataset: {{type: {json.dumps(_data_word(manifest))}, name: {name}, split: test}}",
    ]
    figures = [
        f"    - {{type: {TYPES.get(key, key)}, name: {shown}, value: {decimal(metrics[key])}}}"
        for key, shown in FIGURES
        if key != "baseline" and is_number(metrics.get(key))
    ]
    return "\n".join([*lines, "    metrics:" if figures else "    metrics: []", *figures, "---"])


def _data_word(manifest: Mapping[str, Any]) -> str:
    return str(manifest["data"].get("name") or _things(manifest))


def _things(manifest: Mapping[str, Any]) -> str:
    return "rows" if manifest["input"]["kind"] == "row" else "pictures"


def _head(manifest: Mapping[str, Any]) -> str:
    labels = [f"**{plain(label)}**" for label in manifest["labels"][:_SHOWN]]
    more = len(manifest["labels"]) - len(labels)
    title = f" ({plain(manifest['title'])})" if manifest.get("title") else ""
    lines = [
        f"# {plain(manifest['name'])}, version {manifest['version']}{title}\n",
        f"Tells {_things(manifest)} of {', '.join(labels)}"
        + (f" and {more:,} more" if more > 0 else "")
        + " apart.",
    ]
    if not manifest["finished"]:
        training = manifest["training"]
        epochs, asked = len(training.get("history") or ()), training.get("epochs_asked")
        far = f" after {epochs} of {asked} epochs" if epochs and asked else ""
        lines.append(
            f"\n> **Unfinished.** Its training was stopped{far}: the model answers as well as it "
            "had learned by then. The same command again goes on with it."
        )
    return "\n".join(lines)


def _use(manifest: Mapping[str, Any]) -> str:
    file = f"{manifest['name']}-{manifest['version']}.zip"
    rows = manifest["input"]["kind"] == "row"
    if rows:
        first = manifest["golden"][0]["row"]
        names = [column["name"] for column in manifest["input"]["columns"]]
        row = {name: first[name] for name in names if name in first}
        snippet = _ROWS_SNIPPET.format(file=file, row=_literal(row))
    else:
        snippet = _PICTURES_SNIPPET.format(file=file)
    return f"""## Use it

With numpy, Pillow and onnxruntime (`pip install numpy pillow onnxruntime`):

```sh
python {file} predict {"rows.csv" if rows else "picture.png"}
python {file} verify
```

With Tellapart:

```python
{snippet}```

{_rows_onnx(manifest) if rows else _pictures_onnx(manifest)}
"""


def _literal(row: Mapping[str, Any]) -> str:
    """A row as Python, one cell a line where there are several."""
    cells = [f"{name!r}: {value!r}," for name, value in row.items()]
    return "{\n    " + "\n    ".join(cells) + "\n}"


def _rows_onnx(manifest: Mapping[str, Any]) -> str:
    columns: Sequence[Mapping[str, Any]] = manifest["input"]["columns"]
    target = plain(manifest["input"]["target"])
    file = (
        "A file of rows has the columns' names in its first line, in any order; or no such line, "
        f"and the columns in this order. A column `{target}` with the right answers is compared "
        "with the model's.\n"
    )
    runtime = (
        f"With any ONNX runtime: `model.onnx` takes `rows`, float32, N×{len(columns)}, NaN where "
        f"a cell is missing, and gives {_outputs(manifest)}. The columns are, in this order:\n"
    )
    lines = [
        file,
        runtime,
        "| column | what it holds |",
        "|---|---|",
    ]
    for column in columns[:_SHOWN]:
        if column["kind"] == "number":
            bounds = (column.get("low"), column.get("high"))
            known = all(is_number(bound) for bound in bounds)
            what = f"number, {bounds[0]:g} to {bounds[1]:g} in training" if known else "number"
        else:
            words = [plain(word) for word in column["categories"][:_SHOWN]]
            more = len(column["categories"]) - len(words)
            what = "the place, from 0, of: " + ", ".join(words) + (f", … ({more})" * (more > 0))
        lines.append(f"| {plain(column['name'])} | {what} |")
    if len(columns) > _SHOWN:
        lines.append(f"| … | {len(columns) - _SHOWN:,} more: see `manifest.json` |")
    return "\n".join(lines)


def _pictures_onnx(manifest: Mapping[str, Any]) -> str:
    given = manifest["input"]
    high, wide = given["size"]
    gray = given["color"] == "gray"
    color = "gray, 0 is black" if gray else "RGB"
    return (
        f"With any ONNX runtime: `model.onnx` takes `image`, uint8 ({color}), "
        f"N×{high}×{wide}×{1 if gray else 3}, and gives {_outputs(manifest)}; the scaling is "
        "inside. `labels.txt` has the classes in the order of the probabilities."
    )


def _outputs(manifest: Mapping[str, Any]) -> str:
    return ", ".join(f"`{plain(name)}`" for name in manifest["outputs"])


def _coreml_files(manifest: Mapping[str, Any]) -> list[str]:
    told = (manifest.get("formats") or {}).get("coreml") or {}
    return [] if "skipped" in told else [str(file) for file in told.get("files") or ()]


def _coreml(manifest: Mapping[str, Any]) -> str:
    told = (manifest.get("formats") or {}).get("coreml") or {}
    if not told:
        return ""
    if "skipped" in told:
        return f"## Core ML\n\nThere is no Core ML file: {plain(str(told['skipped']))}.\n"
    files = _coreml_files(manifest)
    listed = [f"`coreml/{file.removeprefix('coreml/')}`" for file in files]
    name = str(told.get("input") or manifest["input"]["name"])
    rows = manifest["input"]["kind"] == "row"
    first = next(iter(files), "").removeprefix("coreml/")
    size = "" if rows else ", ".join(str(side) for side in reversed(manifest["input"]["size"]))
    mode = "" if rows else "L" if manifest["input"]["color"] == "gray" else "RGB"
    snippet = _COREML_SNIPPET.format(
        file=f"coreml/{first}",
        name=name,
        imports="import numpy" if rows else "from PIL import Image",
        value=f"numpy.array({_encoded(manifest)}, numpy.float32)"
        if rows
        else f'Image.open("picture.png").convert({mode!r}).resize(({size}))',
    )
    takes = "the numbers of a row" if rows else "an image"
    start = (
        f"## Core ML\n\nIn the unpacked bundle: {', '.join(listed)}. In Xcode, drag a file into "
        f"the project: the class it makes takes `{plain(name)}` ({takes}) and gives the label and "
        "the probability of each class. In Python:\n"
    )
    parts = [
        start,
        f"```python\n{snippet}```",
    ]
    differences = (told.get("max_difference") or {}).values()
    if differences:
        parts.append(
            "\nEach file was read back and run operator by operator when it was made: it answers "
            f"within {max(differences):.1g} of the trained network "
            f"({plain(str(told.get('precision', '')))})."
        )
    for form, reason in (told.get("left_out") or {}).items():
        parts.append(f"\nThere is no `.{form}`: {plain(str(reason))}")
    return "\n".join(parts)


def _encoded(manifest: Mapping[str, Any]) -> list[float | None]:
    """The first golden row as the model takes it: a category by its place."""
    row = manifest["golden"][0]["row"]
    found = []
    for column in manifest["input"]["columns"]:
        cell = row.get(column["name"])
        words = column["categories"]
        found.append(words.index(cell) if cell in words else cell)
    return found


def _figures(manifest: Mapping[str, Any]) -> str:
    metrics, things = manifest["metrics"], _things(manifest)
    n = metrics.get("n")
    if not n:
        return f"## How good it is\n\nNothing was measured: there were no test {things}.\n"
    lines = [
        "## How good it is\n",
        f"Measured on {n:,} test {things} that took no part in training or choosing.\n",
        "| figure | value |",
        "|---|---|",
    ]
    for key, name in FIGURES:
        if is_number(metrics.get(key)):
            value = f"{metrics[key]:.4f}"
            if key == "accuracy" and is_number(metrics.get("low")):
                value += f" (95 % interval {metrics['low']:.4f} to {metrics['high']:.4f})"
            lines.append(f"| {name} | {value} |")
    if metrics.get("warning"):
        lines.append(f"\n**Warning:** {plain(str(metrics['warning']))}")
    lines.append("\n`report.html` shows more; `metrics.json` holds every figure.")
    return "\n".join(lines)


def _data(manifest: Mapping[str, Any]) -> str:
    data, things = manifest["data"], _things(manifest)
    splits = [name for name in ("train", "validation", "test") if data["splits"].get(name)]
    lines = ["## Data\n"]
    if data.get("name"):
        lines.append(f"The data set `{plain(data['name'])}`: {plain(data.get('about', ''))}.\n")
    inside = data.get("included", 0)
    where = f"{inside:,} of them are in `dataset/`" if inside else "the bundle does not bring them"
    lines += [
        f"{data['samples']:,} {things}; {where}.\n",
        "| class | " + " | ".join(splits) + " |",
        "|---|" + "---|" * len(splits),
    ]
    for label in manifest["labels"]:
        row = [str(data["splits"][split].get(label, 0)) for split in splits]
        lines.append(f"| {plain(label)} | " + " | ".join(row) + " |")
    lines.append("\n**May I use this?** This is no legal advice; it is what was recorded.\n")
    lines += _licenses(data["licenses"], things, each="withheld_for_size" in data)
    lines.append("- The program in this bundle is under Apache-2.0.")
    if data.get("sha256"):
        lines.append(f"\nSHA-256 of the data: `{data['sha256']}`.")
    return "\n".join([*lines, f"\nFingerprint of data and split: `{data['fingerprint']}`."])


def _licenses(counts: Mapping[str, int], things: str, *, each: bool) -> list[str]:
    """By licence, how many; and where each picture has its own, what they ask for."""
    lines = []
    for code, count in counts.items():
        title = licenses.read(code).title if each and code != licenses.UNKNOWN else code
        known = code != licenses.UNKNOWN
        if each and not known:
            continue  # said at length below
        words = plain(title) if known else "no known licence, such as your own files"
        lines.append(f"- {count:,} {things}: {words}.")
    if each:
        kinds = {code: licenses.read("" if code == licenses.UNKNOWN else code) for code in counts}
        lines += license_answers(counts, kinds)
    return lines


def _made(manifest: Mapping[str, Any]) -> str:
    training, network = manifest["training"], manifest.get("network")
    lines = ["## How it was made\n"]
    if network:
        lines += _layers(network)
        said = [
            ("Optimizer", training.get("optimizer")),
            ("Loss", training.get("loss")),
            ("Epochs", len(training.get("history") or ()) or None),
            ("Best epoch", training.get("best_epoch")),
            ("Precision", training.get("precision")),
        ]
        lines += [f"- {name}: {plain(_word(value))}" for name, value in said if value is not None]
    elif training.get("candidates"):
        lines += ["| model | chosen | why |", "|---|---|---|"]
        for one in training["candidates"]:
            chosen = "yes" if one.get("chosen") else ""
            lines.append(f"| {plain(str(one.get('name')))} | {chosen} | {_why(one)} |")
    lines.append("\n`manifest.json` holds the recipe as it ran, with the reason of each value.")
    return "\n".join(lines)


def _why(one: Mapping[str, Any]) -> str:
    return plain(str(one.get("why") or ""))


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _layers(network: Mapping[str, Any]) -> list[str]:
    layers: Sequence[Mapping[str, Any]] = network["layers"]
    lines = ["| layer | kind | output | parameters |", "|---|---|---|---|"]
    for layer in layers[:_SHOWN]:
        shape = "×".join(str(side) for side in layer["output"])
        lines.append(
            f"| {plain(str(layer['name']))} | {plain(str(layer['kind']))} | {shape} | "
            f"{layer['parameters']:,} |"
        )
    if len(layers) > _SHOWN:
        lines.append(f"| … | {len(layers) - _SHOWN} more | | |")
    total = sum(layer["parameters"] for layer in layers)
    return [*lines, f"\nTogether {total:,} parameters, trained from the ground up.\n"]


def _limits(manifest: Mapping[str, Any]) -> str:
    things = _things(manifest)
    return (
        "## Limits\n\n"
        f"It knows {len(manifest['labels'])} classes and the kinds of {things} it was shown; on "
        "others its figures do not hold, and it always names one of its classes. It is not made "
        "for decisions about people.\n"
    )

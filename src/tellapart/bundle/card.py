"""The model card: what the model is, how good, how to use it, and whether one may."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tellapart.bundle import card_network as network
from tellapart.bundle import card_people as people
from tellapart.bundle import licenses
from tellapart.bundle.card_network import plain as plain
from tellapart.bundle.manifest import HEAD_OUTPUTS

#: Keys of `metrics.json` that a card shows, and their titles.
FIGURES = (
    ("accuracy", "Accuracy"),
    ("balanced_accuracy", "Balanced accuracy"),
    ("auc", "AUC"),
    ("log_loss", "Log loss"),
    ("ece", "Calibration error (ECE)"),
    ("baseline", "Always the largest class"),
)
_NOTHING = "- Nothing recorded speaks against commercial use."
#: Names that the Hugging Face hub knows.
TYPES = {"auc": "roc_auc", "log_loss": "log_loss", "ece": "ece"}


def card(manifest: Mapping[str, Any]) -> str:
    """README.md of the bundle that `manifest` describes: YAML front matter and Markdown."""
    parts = [
        _front(manifest),
        _head(manifest),
        _use(manifest),
        _figures(manifest),
        *([people.section(manifest)] if people.section(manifest) else []),
        _may_i(manifest),
        _data(manifest),
        _made(manifest),
        _limits(manifest),
    ]
    return "\n".join(part.rstrip() + "\n" for part in parts)


def _front(manifest: Mapping[str, Any]) -> str:
    """YAML; every text is written as JSON writes it, which YAML reads alike."""
    metrics, name = manifest["metrics"], json.dumps(manifest["name"], ensure_ascii=False)
    lines = [
        "---",
        "license: other",
        "license_name: see-may-i-use-this",
        'license_link: "#may-i-use-this"',
        f"library_name: {'timm' if network.is_timm(manifest['backbone']) else 'onnx'}",
        "pipeline_tag: image-classification",
        *network.bases(manifest["backbone"]),
        "tags: [image-classification, onnx, safetensors, tellapart]",
        "model-index:",
        f"- name: {name}",
        "  results:",
        "  - task: {type: image-classification, name: Image classification}",
        f"    dataset: {{type: imagefolder, name: {name}, split: test}}",
    ]
    figures = [
        f"    - {{type: {TYPES.get(key, key)}, name: {title}, value: {decimal(metrics[key])}}}"
        for key, title in FIGURES
        if key != "baseline" and is_number(metrics.get(key))
    ]
    return "\n".join([*lines, "    metrics:" if figures else "    metrics: []", *figures, "---"])


def _head(manifest: Mapping[str, Any]) -> str:
    labels = ", ".join(f"**{plain(label)}**" for label in manifest["labels"])
    return (
        f"# {plain(manifest['name'])}, version {manifest['version']}\n\n"
        f"Tells pictures of {labels} apart, and says when a picture is none of these.\n"
    )


def _use(manifest: Mapping[str, Any]) -> str:
    file = f"{manifest['name']}-{manifest['version']}.zip"
    outputs = manifest.get("outputs", HEAD_OUTPUTS)
    gives = ", ".join(f"`{name}`" for name in outputs[:-1]) + f" and `{outputs[-1]}`"
    return f"""## Use it

With numpy, Pillow and onnxruntime (`pip install numpy pillow onnxruntime`):

```sh
python {file} predict picture.jpg
python {file} verify
```

With Tellapart:

```python
import tellapart

answer = tellapart.Bundle.load("{file}").predict("picture.jpg")
print(answer.label, answer.probabilities)  # label is None for "none of these"
```

With any ONNX runtime: `model.onnx` takes `image`, uint8 RGB, N×{_high(manifest["input"])}×\
{manifest["input"]["size"]}×3, and gives {gives}. {network.with_weights(manifest)}"""


def _high(given: Mapping[str, Any]) -> int:
    """The height in pixels of what the model takes."""
    return int(given["size"]) * (2 if given["view"] == "both" else 1)


def _figures(manifest: Mapping[str, Any]) -> str:
    metrics = manifest["metrics"]
    lines = ["## How good it is\n"]
    n = metrics.get("n")
    if not n:
        return lines[0] + "\nNothing was measured: there were no test pictures.\n"
    lines.append(f"Measured on {n:,} test pictures that took no part in training or choosing.\n")
    lines += ["| figure | value |", "|---|---|"]
    for key, name in FIGURES:
        if is_number(metrics.get(key)):
            value = f"{metrics[key]:.4f}"
            if (
                key == "accuracy"
                and is_number(metrics.get("low"))
                and is_number(metrics.get("high"))
            ):
                value += f" (95 % interval {metrics['low']:.4f} to {metrics['high']:.4f})"
            lines.append(f"| {name} | {value} |")
    if metrics.get("warning"):
        lines.append(f"\n**Warning:** {plain(str(metrics['warning']))}")
    doubtful = metrics.get("with_doubtful")
    if doubtful and doubtful["n"]:
        lines.append(
            f"\nNot counted: {doubtful['n']:,} pictures set aside as off-topic or probably "
            "mislabelled. Had they stayed, as labelled, about "
            f"{share(doubtful['accuracy'])} of the answers would be right."
        )
    abstained = metrics.get("abstained")
    if abstained:
        lines.append(
            f"\nOf these pictures it called {abstained['n']:,} none of its classes "
            f"({abstained['share']:.1%}); of the others it answered "
            f"{share(abstained['accuracy_answered'])} right."
        )
    lines.append("\n`report.html` shows the errors; `metrics.json` holds every figure.")
    return "\n".join(lines)


def _may_i(manifest: Mapping[str, Any]) -> str:
    counts = manifest["data"]["licenses"]
    kinds = {code: licenses.read("" if code == licenses.UNKNOWN else code) for code in counts}
    backbone = manifest["backbone"]
    lines = [
        "## May I use this?\n",
        "This is no legal advice; it is what was recorded.\n",
        network.licenses(backbone),
        "**The pictures it learned from**, by licence:\n",
        "| licence | pictures | in this bundle | credit | commercial use | changes | share alike |",
        "|---|---|---|---|---|---|---|",
    ]
    for code, count in counts.items():
        kind = kinds[code]
        words = [
            plain(kind.title),
            f"{count:,}",
            "yes" if kind.may_pass_on and not manifest["data"]["withheld_for_size"] else "no",
            "required" if kind.attribution else "-",
            "**no**" if kind.noncommercial else "yes",
            "**no**" if kind.noderivatives else "yes",
            "**yes**" if kind.sharealike else "-",
        ]
        if not kind.may_pass_on:
            words[3:] = ["?", "?", "?", "?"]
        lines.append("| " + " | ".join(words) + " |")
    answers = license_answers(counts, kinds)
    if not network.is_open(backbone):
        answers = [line for line in answers if line != _NOTHING]
        answers.append("- **The network's licence** is unknown or bars commercial use: see above.")
    return "\n".join([*lines, "", *answers])


def license_answers(counts: Mapping[str, int], kinds: Mapping[str, licenses.License]) -> list[str]:
    """What the licences of pictures, counted by code, ask of whoever uses them."""

    def total(*flags: bool) -> int:
        return sum(n for n, flag in zip(counts.values(), flags, strict=True) if flag)

    every = kinds.values()
    noncommercial = total(*(kind.noncommercial for kind in every))
    noderivatives = total(*(kind.noderivatives for kind in every))
    sharealike = total(*(kind.sharealike for kind in every))
    unknown = total(*(not kind.may_pass_on for kind in every))
    credit = total(*(kind.attribution for kind in every))
    lines = []
    if credit:
        lines.append(
            f"- **Credit:** {credit:,} pictures ask for it; `dataset/ATTRIBUTION.csv` gives it for "
            "those in this bundle. Pass it on with them."
        )
    if noncommercial:
        lines.append(
            f"- **Not for commercial use (NC):** {noncommercial:,} pictures. Do not sell them or "
            "use them in a product. Whether a model that learned from them is bound too is not "
            "settled; to be safe, train again with `licenses: sell`."
        )
    if noderivatives:
        lines.append(
            f"- **No changes (ND):** {noderivatives:,} pictures. They are in this bundle "
            "unchanged; pass on no cropped or edited copies."
        )
    if sharealike:
        lines.append(
            f"- **Share alike (SA):** {sharealike:,} pictures. Edited copies must carry the same "
            "licence."
        )
    if unknown:
        lines.append(
            f"- **No known licence:** {unknown:,} pictures, such as your own folders. They are not "
            "in this bundle (`dataset/withheld.csv` has their origin and SHA-256). Whether you "
            "may use what was learned from them is your own responsibility."
        )
    if not (noncommercial or noderivatives or sharealike or unknown):
        lines.append(_NOTHING)
    return lines


def _data(manifest: Mapping[str, Any]) -> str:
    data = manifest["data"]
    splits = [split for split, counts in data["splits"].items() if counts]
    lines = [
        "## Data\n",
        (
            f"{data['pictures']:,} pictures; {data['included']:,} of them are in `dataset/`, "
            "one folder a split and class, as Hugging Face's `imagefolder` reads it.\n"
        ),
        "| class | " + " | ".join(splits) + " |",
        "|---|" + "---|" * len(splits),
    ]
    for label in manifest["labels"]:
        row = [str(data["splits"][split].get(label, 0)) for split in splits]
        lines.append(f"| {plain(label)} | " + " | ".join(row) + " |")
    if data["withheld_for_size"]:
        lines.append("\nTogether the pictures are too large for a bundle: none are in it.")
    lines.append(f"\nFingerprint of the data: `{data['fingerprint']}`.")
    return "\n".join(lines)


def _made(manifest: Mapping[str, Any]) -> str:
    backbone, given = manifest["backbone"], manifest["input"]
    least = manifest["thresholds"]["familiarity"]
    abstain = (
        "It never abstains."
        if least is None
        else (f"It abstains where the familiarity is below {least:.4f}.")
    )
    return (
        "## How it was made\n\n"
        f"Pictures are made upright, laid on white, and brought to {given['size']}×{given['size']} "
        f"pixels (`{given['view']}`).{people.seen(given)} {network.looks(backbone)} "
        "the classes apart. Familiarity is the mean cosine to the nearest stored training "
        f"features. {abstain} `manifest.json` holds the recipe as it ran.\n"
    )


def _limits(manifest: Mapping[str, Any]) -> str:
    classes: Sequence[str] = manifest["labels"]
    return (
        "## Limits\n\n"
        f"It knows {len(classes)} classes and the kinds of pictures it was shown; on others its "
        "figures do not hold. It is not made for decisions about people.\n"
    )


def decimal(value: float) -> str:
    """Never as 1e-07, which YAML takes for a word."""
    text = f"{value:.6f}".rstrip("0")
    return text + "0" if text.endswith(".") else text


def share(value: float | None) -> str:
    """A share as percent."""
    return "none" if value is None else f"{value:.1%}"


def is_number(value: Any) -> bool:
    """Whether it is a figure, not a word or a truth."""
    return isinstance(value, int | float) and not isinstance(value, bool)

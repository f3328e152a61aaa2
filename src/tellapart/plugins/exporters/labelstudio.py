"""Label Studio: `tasks.json` to import, `images/`, and the labelling set-up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from tellapart.datasets.samples import Sample, uniquely
from tellapart.plugins.exporters.conventions import Convention, classes_of

_SERVED = "/data/local-files/?d="


class LabelStudio(Convention):
    """Serve the folder with `LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true` and
    `LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT` set to it, then import `tasks.json`."""

    name = "labelstudio"

    def lay_out(self, samples: Sequence[Sample], folder: Path) -> None:
        (folder / "images").mkdir()
        tasks = []
        for number, (sample, name, ending) in enumerate(uniquely(samples), 1):
            place = f"images/{name}{ending}"
            (folder / place).write_bytes(sample.read())
            split = {"split": sample.split} if sample.split else {}
            choice = {
                "from_name": "choice",
                "to_name": "image",
                "type": "choices",
                "value": {"choices": [sample.label]},
            }
            tasks.append(
                {
                    "id": number,
                    "data": {"image": _SERVED + quote(place), **split, **sample.facts},
                    "annotations": [{"result": [choice]}],
                }
            )
        text = json.dumps(tasks, ensure_ascii=False, indent=1)
        (folder / "tasks.json").write_text(text, encoding="utf-8")
        (folder / "labeling.xml").write_text(_set_up(classes_of(samples)), encoding="utf-8")


def _set_up(classes: Sequence[str]) -> str:
    choices = "".join(f"    <Choice value={quoteattr(label)}/>\n" for label in classes)
    return (
        '<View>\n  <Image name="image" value="$image"/>\n'
        f'  <Choices name="choice" toName="image" choice="single">\n{choices}  </Choices>\n'
        "</View>\n"
    )

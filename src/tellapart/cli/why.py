"""What `predict --why` writes and says: the lit picture, and who speaks for and against."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tellapart
from tellapart.cli.console import table
from tellapart.errors import InputError, StorageError

if TYPE_CHECKING:
    from PIL import Image

    from tellapart import Bundle, Prediction
    from tellapart.steps.explaining import Explanation, Speaker

_OCCLUSION = "the model gives no map of its own: the picture was covered bit by bit"


def explained(
    model: Bundle, project: str | None, picture: Path | bytes, out: Path
) -> tuple[Prediction, list[str], dict[str, Any]]:
    """Write the lit picture to `out`; the prediction, lines for people, and what JSON gets beside.

    `project`: its name, where the bundle is the latest of one.
    """
    if project is None:
        found, image = model.why(picture)
        _save(image, out)
        lines = [f"  why: {out}"]
        if found.map_kind == "occlusion":
            lines.append(f"  {_OCCLUSION}")
        return found, lines, {"why": str(out), "map_kind": found.map_kind}
    with tellapart.Project.open(project) as opened:
        explanation = opened.explain(picture)
    _save(explanation.image, out)
    lines = [f"  why: {out}", *_spoken(explanation), *(f"  {note}" for note in explanation.notes)]
    shape = explanation.to_dict()
    more = {key: shape[key] for key in ("map_kind", "for", "against", "notes")}
    return explanation.prediction, lines, {"why": str(out), **more}


def _spoken(explanation: Explanation) -> list[str]:
    lines = []
    sides = (("for", explanation.pro), ("against", explanation.against))
    for word, speakers in sides:
        if speakers:
            lines.append(f"  speak {word} {explanation.label}, of the training pictures:")
            lines.append(_listed(speakers))
    if lines:
        lines.append(
            f"  (%: what the probability, now {100 * explanation.probability:.1f} %, would be "
            "without that picture; the head is really fitted again)"
        )
    return lines


def _listed(speakers: Sequence[Speaker]) -> str:
    return table(
        (
            f"    {100 * one.without:.1f} %",
            one.picture.label,
            one.picture.id,
            one.picture.path or one.picture.page_url or one.picture.file_url,
        )
        for one in speakers
    )


def _save(image: Image.Image, out: Path) -> None:
    try:
        image.save(out)
    except ValueError:
        raise InputError(
            f"A picture cannot be written as {out.name!r}.",
            expected="a name that ends in .png or .jpg",
            do="Choose such a name.",
        ) from None
    except OSError as error:
        raise StorageError(
            f"The picture {str(out)!r} cannot be written: {error.strerror or error}.",
            expected="a folder that can be written to",
            do="Choose another place for --why.",
        ) from None

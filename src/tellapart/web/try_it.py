"""Try it: the frame that `try.js` brings to life; pictures, or a row's cells."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from tellapart.runtime.desk.shapes import ProjectView, VersionView
from tellapart.web import texts_model as words
from tellapart.web.pictures import api

#: Columns asked for one by one; beyond them the REST interface is the better way.
_COLUMNS = 60


def panel(
    view: ProjectView,
    shown: VersionView,
    figures: Mapping[str, Any],
    manifest: Mapping[str, Any],
) -> Markup:
    """Ask this version about a new picture or row."""
    table = view.data_kind == "table"
    asked = _cells(figures) if table else _stage(_explains(manifest))
    return Markup(
        '<section><h2>{}</h2><p class="lead">{}</p>'
        '<ta-try data-url="{}" data-words="{}" data-on="{}" data-off="{}"><div class="try">'
        '<div>{}</div><div class="answer" aria-live="polite"><h3>{}</h3><div class="said">'
        '<p class="quiet">{}</p></div></div></div></ta-try></section>'
    ).format(
        words.TRY,
        words.TRY_TABLE_LEAD if table else words.TRY_LEAD,
        f"{api(view.name, 'predict')}?version={shown.version}",
        json.dumps(words.SCRIPT),
        words.CAMERA,
        words.CAMERA_OFF,
        asked,
        words.ANSWER,
        words.ANSWER_NONE,
    )


def _explains(manifest: Mapping[str, Any]) -> bool:
    return bool((manifest.get("input") or {}).get("kind", "picture") == "picture")


def _stage(why: bool) -> Markup:
    checked = Markup(" checked") if why else ""
    return Markup(
        '<div class="stage"><div class="hint"><b>{}</b><span class="small quiet">{}</span></div>'
        '<img alt="" hidden><video playsinline muted hidden></video>'
        '<input type="file" accept="image/*" aria-label="{}"></div>'
        '<div class="asking"><form class="by-url"><label for="try-url">{}</label>'
        '<input class="input" id="try-url" name="url" type="text" inputmode="url" '
        'autocomplete="off" spellcheck="false" placeholder="{}">'
        '<button type="submit" class="button">{}</button></form><div class="row between">'
        '<label class="check"><input type="checkbox" name="why"{}>{}</label><div class="row">'
        '<button type="button" class="button primary" data-do="take" hidden>{}</button>'
        '<button type="button" class="button" data-do="camera">{}</button></div></div></div>'
    ).format(
        words.DROP,
        words.DROP_HINT,
        words.DROP,
        words.URL,
        words.URL_HINT,
        words.ASK,
        checked,
        words.WHY,
        words.CAMERA_TAKE,
        words.CAMERA,
    )


def _cells(figures: Mapping[str, Any]) -> Markup:
    fields = Markup("").join(
        _cell(place, column) for place, column in enumerate(figures["columns"][:_COLUMNS])
    )
    return Markup(
        '<form class="cells">{}<button type="submit" class="button primary">{}</button></form>'
    ).format(fields, words.ASK)


def _cell(place: int, column: Mapping[str, Any]) -> Markup:
    kind = Markup(' inputmode="decimal"') if column["kind"] == "number" else ""
    return Markup(
        '<div class="field"><label for="cell-{at}">{name}</label>'
        '<input class="input" id="cell-{at}" name="{name}" autocomplete="off" '
        'aria-describedby="range-{at}"{kind}>'
        '<p class="hint" id="range-{at}">{values}</p></div>'
    ).format(at=place, name=column["name"], kind=kind, values=str(column["values"])[:60])

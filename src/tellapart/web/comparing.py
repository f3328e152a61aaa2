"""Versions side by side: all of them in a table and a chart, any two figure by figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from tellapart.errors import TellapartError
from tellapart.runtime.desk.shapes import ProjectView, VersionView
from tellapart.web import charts, shell
from tellapart.web import texts_model as words
from tellapart.web.charts import number, percent
from tellapart.web.elements import Notice, new_id, tag
from tellapart.web.pictures import html
from tellapart.web.visit import Visit

#: Versions in the chart.
_DRAWN = 12
#: Figures where less is better.
_LESS = ("log_loss", "ece")
_SHARES = ("accuracy", "balanced_accuracy", "ece")


async def section(
    visit: Visit, view: ProjectView, made: Sequence[VersionView], shown: VersionView
) -> None:
    """All versions; with two or more, also a comparison of two."""
    with tag("section"):
        tag("h2", words.VERSIONS)
        html(_table(view, made, shown))
        if len(made) < 2:
            return
        drawn = [{**one.metrics, "version": one.version} for one in made[:_DRAWN]]
        html(
            Markup('<div style="margin-top: 1.5rem">{}</div>').format(
                charts.versions(drawn, shown.version)
            )
        )
        await _two(visit, view, made, shown)


def _table(view: ProjectView, made: Sequence[VersionView], shown: VersionView) -> Markup:
    many = words.THINGS.get(view.data_kind, "picture") + "s"
    rows = []
    for one in made:
        figures = one.metrics
        here: Markup | str = words.VERSION_HERE
        if one is not shown:
            address = f"{shell.project_url(view.name, 'model')}?version={one.version}"
            here = Markup('<a href="{}">{}<span class="sr-only"> {}</span></a>').format(
                address, words.VERSION_LOOK, words.VERSION_SHOWN.format(number=one.version)
            )
        known = figures.get("low") is not None
        rows.append(
            (
                one.version,
                one.created[:16].replace("T", " "),
                percent(figures.get("accuracy")),
                f"{percent(figures['low'])} – {percent(figures['high'])}"
                if known
                else words.NO_VALUE,
                figures.get("n", 0),
                f"{one.bytes / 1e6:.1f} MB",
                here,
            )
        )
    head = [name.format(things=many) for name in words.VERSIONS_HEAD]
    table = charts.Table(head, rows, (2, 3, 4, 5), words.VERSIONS_CAPTION)
    return Markup('<div style="margin-top: 1rem">{}</div>').format(table.html())


async def _two(
    visit: Visit, view: ProjectView, made: Sequence[VersionView], shown: VersionView
) -> None:
    numbers = [one.version for one in made]
    newest = shown.version
    other = next(
        (n for n in numbers if n < newest), numbers[0] if numbers[0] != newest else numbers[1]
    )
    chosen = {"first": other, "second": newest}
    said = Notice()

    async def fill() -> None:
        try:
            found = await visit.ask(
                visit.desk.compare, view.name, chosen["first"], chosen["second"]
            )
        except TellapartError as error:
            said.fail(error, focus=False)
            return
        said.hide()
        place.clear()
        with place:
            html(_compared(found, chosen["first"], chosen["second"]))

    with tag("div", classes="pickers"):
        for side, label in (
            ("first", words.COMPARE_FIRST),
            ("second", words.COMPARE_SECOND),
        ):
            _picker(label, numbers, side, chosen, fill)
    place = tag("div", aria_live="polite")
    await fill()


def _picker(
    label: str, numbers: Sequence[int], side: str, chosen: dict[str, int], fill: Any
) -> None:
    id = new_id("version")
    with tag("label", for_=id):
        tag("span", label)
        with tag("select", classes="input", id=id) as select:
            for number in numbers:
                option = tag("option", str(number), value=str(number))
                if number == chosen[side]:
                    option.props["selected"] = True

    async def pick(event: Any) -> None:
        chosen[side] = int(event.args)
        await fill()

    select.on("change", pick, js_handler="(e) => emit(e.target.value)")


def _compared(found: Mapping[str, Any], first: int, second: int) -> Markup:
    rows: list[tuple[Any, ...]] = []
    for name, word in words.COMPARE_WORDS.items():
        pair = (found.get("metrics") or {}).get(name)
        if pair is None or pair == [None, None]:
            continue
        rows.append((word, *_figures(name, pair)))
    for name, pair in (found.get("classes") or {}).items():
        rows.append((words.COMPARE_RECALL.format(name=name), *_figures("accuracy", pair)))
    pictures = found.get("pictures")
    if pictures and pictures != [None, None]:
        rows.append((words.COMPARE_PICTURES, *_figures("n", pictures)))
    for key, pair in (found.get("recipe") or {}).items():
        shown = [words.NO_VALUE if value is None else str(value) for value in pair]
        rows.append((words.COMPARE_RECIPE.format(key=key), *shown, ""))
    head = [name.format(first=first, second=second) for name in words.COMPARE_HEAD]
    caption = words.COMPARE_CAPTION.format(first=first, second=second)
    return charts.Table(head, rows, (1, 2, 3), caption).html()


def _figures(name: str, pair: Sequence[float | None]) -> tuple[Any, Any, Any]:
    before, after = pair

    def tell(value: float | None) -> str:
        if value is None:
            return words.NO_VALUE
        if name in _SHARES:
            return percent(value)
        return f"{value:,}" if isinstance(value, int) else number(value)

    if before is None or after is None or before == after:
        return tell(before), tell(after), words.NO_VALUE
    change = after - before
    if name in _SHARES:
        said = f"{100 * change:+.1f}".replace("-", "−")
    else:
        said = (f"{change:+,}" if isinstance(change, int) else f"{change:+.3f}").replace("-", "−")
    if name == "n":
        return tell(before), tell(after), said
    better = (change < 0) if name in _LESS else (change > 0)
    mark = Markup('<span class="{}">{}</span>').format("better" if better else "worse", said)
    return tell(before), tell(after), mark

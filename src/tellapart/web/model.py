"""The Model page: honest figures, try it, what it gets wrong, downloads, versions side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from tellapart.errors import NotFoundError
from tellapart.runtime.desk.shapes import ProjectView, VersionView
from tellapart.web import charts, comparing, mistakes, shell, try_it
from tellapart.web import texts_model as words
from tellapart.web.charts import number, percent
from tellapart.web.elements import link, tag
from tellapart.web.pictures import api, html
from tellapart.web.visit import House, Visit

ASSETS = ("charts.css", "model.css", "try.js", "files.js")


def register(house: House) -> None:
    """Make the page."""

    @house.page("/projects/{name}/model")
    async def model(visit: Visit, name: str) -> None:
        view = await visit.ask(visit.desk.project, name)
        network = view.model_kind == "network"
        title = view.title or name
        made = await visit.ask(visit.desk.versions, name)
        with shell.project_page(visit, name, title, tab="model", network=network, assets=ASSETS):
            if not made:
                _empty(name)
                return
            shown = _wanted(made, visit.request.query_params.get("version", ""))
            figures = await visit.ask(visit.desk.metrics, name, shown.version)
            manifest = await visit.ask(visit.desk.manifest, name, shown.version)
            with tag("div", classes="model"):
                html(honest(view, made, shown, figures))
                html(try_it.panel(view, shown, figures, manifest))
                if figures.get("n"):
                    mistakes.section(visit, view, figures)
                    html(trust(figures))
                html(more(figures))
                html(downloads(view, shown))
                await comparing.section(visit, view, made, shown)


def _wanted(made: Sequence[VersionView], asked: str) -> VersionView:
    if not asked:
        return made[0]
    for one in made:
        if str(one.version) == asked:
            return one
    raise NotFoundError(
        f"There is no version {asked!r} of {made[0].project!r}.",
        expected=f"one of {', '.join(str(one.version) for one in made)}",
        do="Choose one of the versions of this project.",
    )


def _empty(name: str) -> None:
    with tag("div", classes="empty"):
        tag("p", words.NONE_YET)
        tag("p", words.NONE_YET_DO, classes="quiet")
        link(words.TO_RUN, shell.project_url(name), classes="button").style("margin-top: 1rem")


def things(view: ProjectView, n: int = 2) -> str:
    """What the samples are called: pictures or rows."""
    return words.THINGS.get(view.data_kind, "picture") + ("" if n == 1 else "s")


def honest(
    view: ProjectView,
    made: Sequence[VersionView],
    shown: VersionView,
    figures: Mapping[str, Any],
) -> Markup:
    """The accuracy with its interval and baseline, and what to beware of."""
    which = Markup('<div class="which"><span>{}</span>{}</div>').format(
        words.VERSION_SHOWN.format(number=shown.version)
        + (f", {words.NEWEST}" if shown is made[0] else ""),
        Markup('<time datetime="{}">{}</time>').format(shown.created, shown.created[:10]),
    )
    if not figures.get("n"):
        return Markup(
            '<section><h2 class="sr-only">{}</h2><div class="headline">{}</div>'
            '<p class="notice warn">{}</p></section>'
        ).format(words.HONEST, which, words.NO_FIGURES)
    many = things(view, figures["n"])
    right = words.RIGHT_ON.format(n=figures["n"], things=many, correct=figures["correct"])
    interval = words.INTERVAL.format(
        things=many,
        low=percent(figures["low"]),
        high=percent(figures["high"]),
        answer=figures["baseline_class"],
        baseline=percent(figures["baseline"]),
    )
    return Markup(
        '<section><h2 class="sr-only">{}</h2><div class="headline">{}'
        '<div class="big">{}<small>%</small></div><div><p>{}</p><p>{}</p></div>'
        '<div class="chart">{}</div></div>{}{}</section>'
    ).format(
        words.HONEST,
        which,
        f"{100 * figures['accuracy']:.1f}",
        right,
        interval,
        charts.ruler(figures),
        _tiles(view, figures),
        _beware(figures),
    )


def _tiles(view: ProjectView, figures: Mapping[str, Any]) -> Markup:
    rows = [
        (words.BALANCED, percent(figures["balanced_accuracy"])),
        (words.AUC, number(figures["auc"])),
        (words.LOG_LOSS, number(figures["log_loss"])),
        (words.ECE, percent(figures["ece"])),
    ]
    if view.model_kind == "head":
        rows.append((words.REFUSED, percent(figures["abstained"]["share"])))
    tiles = Markup("").join(
        Markup("<div><dt>{}</dt><dd>{}<small>{}</small></dd></div>").format(name, value, says)
        for (name, says), value in rows
    )
    return Markup('<dl class="tiles">{}</dl>').format(tiles)


def _beware(figures: Mapping[str, Any]) -> Markup:
    found = Markup("")
    if figures.get("finished") is False:
        found += Markup('<p class="notice warn">{}</p>').format(words.UNFINISHED)
    if figures.get("warning"):
        found += Markup('<p class="notice warn"><strong>{}</strong> {}</p>').format(
            words.DISTRUST, figures["warning"]
        )
    if figures.get("absent_classes"):
        names = ", ".join(figures["absent_classes"])
        found += Markup('<p class="notice warn">{}</p>').format(words.ABSENT.format(names=names))
    notes = list(figures.get("notes") or ())
    doubtful = figures.get("with_doubtful") or {}
    if doubtful.get("n"):
        accuracy = percent(doubtful["accuracy"])
        notes.append(words.DOUBTFUL.format(n=doubtful["n"], accuracy=accuracy))
    if notes:
        listed = Markup("").join(Markup("<li>{}</li>").format(note) for note in notes)
        found += Markup('<ul class="hints">{}</ul>').format(listed)
    return found


def trust(figures: Mapping[str, Any]) -> Markup:
    """Whether sure means right, and what is gained by leaving out the doubtful."""
    return Markup(
        '<section><h2>{}</h2><div class="pair" style="margin-top: 1rem"><div><h3>{}</h3>{}</div>'
        "<div><h3>{}</h3>{}</div></div></section>"
    ).format(
        words.TRUST,
        words.TRUST_SURE,
        charts.reliability(figures["reliability"], figures["ece"]),
        words.TRUST_SKIP,
        charts.skipping(figures),
    )


def more(figures: Mapping[str, Any]) -> Markup:
    """Whether more pictures would help; of tables, which model was better and why."""
    found = Markup("")
    outlook = figures.get("outlook")
    if outlook:
        classes = list(outlook.get("classes") or ())
        best = Markup("")
        if len(classes) > 1 and classes[0]["gain"] > 1.25 * classes[-1]["gain"] > 0:
            said = words.AHEAD_BEST.format(name=classes[0]["name"])
            best = Markup('<p class="lead">{}</p>').format(said)
        found += Markup(
            '<section><h2>{}</h2>{}<div class="pair">{}<p class="small quiet">{}</p></div>'
            "</section>"
        ).format(words.AHEAD, best, charts.ahead(outlook), outlook["how"])
    if figures.get("candidates"):
        found += Markup('<section><h2>{}</h2><p class="lead">{}</p>{}</section>').format(
            words.TABLE_MODELS,
            figures.get("verdict") or "",
            charts.candidates(figures["candidates"]),
        )
    if figures.get("columns"):
        found += Markup("<section><h2>{}</h2>{}</section>").format(
            words.TABLE_COLUMNS, charts.columns(figures["columns"])
        )
    return found


def downloads(view: ProjectView, shown: VersionView) -> Markup:
    """Every file of this version, by REST's addresses."""
    rows = Markup("")
    for kind in shown.files:
        if kind not in words.FILES:
            continue
        name, what = words.FILES[kind]
        size = size_of(shown.bytes) if kind == "bundle" else ""
        rows += Markup(
            '<li><a href="{}" download aria-label="{}"{}><b>{}</b>'
            '<span class="size" role="status">{}</span><span class="what">{}</span></a></li>'
        ).format(
            api(view.name, "versions", str(shown.version), "files", kind),
            words.DOWNLOAD.format(name=name, version=shown.version),
            # Of a model of pictures it is made when it is first asked for.
            Markup(" data-made") if kind == "coreml" else "",
            name,
            size,
            what,
        )
    return Markup(
        '<section><h2>{}</h2><p class="lead">{}</p><ta-files data-making="{}" data-failed="{}">'
        '<ul class="files">{}</ul></ta-files></section>'
    ).format(words.DOWNLOADS, words.DOWNLOADS_LEAD, words.MAKING, words.NOT_MADE, rows)


def size_of(size: int) -> str:
    """A file's size for people."""
    if size <= 0:
        return words.NO_VALUE
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.0f} kB"

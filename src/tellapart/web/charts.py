"""Charts of the pages: the report's drawings, each with its figures as a table beside it.

Everything is text: inline SVG without a script, whose colors come from the page's style and follow
light and dark. Who cannot see a drawing opens the table under it; who can may as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from tellapart.report import charts as drawn
from tellapart.report import curves, outlook
from tellapart.report.layers import quantity, settings, shape
from tellapart.report.learned import Candidate, Epoch, Feature
from tellapart.web import texts_figures as texts

if TYPE_CHECKING:
    from tellapart.recipe.network import Network

#: Epochs that are drawn.
_EPOCHS = 60
#: Up to so many classes every pair of them stands in a table, else so many of the commonest.
_CLASSES, _PAIRS = 40, 200


@dataclass(frozen=True)
class Table:
    """Rows of words and figures; columns named in `figures` stand right."""

    head: Sequence[str]
    rows: Iterable[Sequence[Any]]
    #: Places of the columns that hold figures.
    figures: Sequence[int] = ()
    caption: str = ""
    #: Whether the first cell of each row names it.
    named: bool = True

    def html(self) -> Markup:
        """A table that scrolls by itself where it is too wide for its place."""
        head = Markup("").join(
            Markup('<th scope="col"{}>{}</th>').format(self._kind(at), name)
            if name
            else Markup("<td></td>")
            for at, name in enumerate(self.head)
        )
        body = Markup("").join(self._row(row) for row in self.rows)
        caption = (
            Markup("<caption>{}</caption>").format(self.caption) if self.caption else Markup("")
        )
        # A region that scrolls is reached by keyboard too.
        return Markup(
            '<div class="scroll" tabindex="0" role="group" aria-label="{}"><table>{}'
            "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>"
        ).format(self.caption or texts.AS_TABLE, caption, head, body)

    def _row(self, row: Sequence[Any]) -> Markup:
        cells = []
        for at, cell in enumerate(row):
            if at == 0 and self.named:
                cells.append(Markup('<th scope="row" class="name">{}</th>').format(cell))
            else:
                cells.append(Markup("<td{}>{}</td>").format(self._kind(at), cell))
        return Markup("<tr>{}</tr>").format(Markup("").join(cells))

    def _kind(self, at: int) -> Markup:
        return Markup(' class="num"') if at in self.figures else Markup("")


def figure(
    drawing: Markup,
    *,
    caption: str | Markup = "",
    table: Table | None = None,
    narrow: bool = False,
) -> Markup:
    """A drawing with what it says in words below, and its figures to unfold.

    `narrow`: one of lines, which would be huge on a wide page.
    """
    told = Markup("<figcaption>{}</figcaption>").format(caption) if caption else Markup("")
    more = Markup("")
    if table is not None:
        more = Markup('<details class="as-table"><summary>{}</summary>{}</details>').format(
            texts.AS_TABLE, table.html()
        )
    kind = "chart narrow" if narrow else "chart"
    return Markup('<figure class="{}">{}{}{}</figure>').format(kind, drawing, told, more)


def percent(value: float | None, digits: int = 1) -> str:
    """`0.9137` -> `91.4 %`."""
    return texts.UNKNOWN if value is None else f"{100 * value:.{digits}f} %"


def number(value: float | None, digits: int = 3) -> str:
    """A figure without a unit."""
    return texts.UNKNOWN if value is None else f"{value:.{digits}f}"


def ruler(metrics: Mapping[str, Any]) -> Markup:
    """The accuracy on a ruler from 0 to 100 %, with its interval and the baseline."""
    return drawn.share_bar(
        metrics["accuracy"], metrics["low"], metrics["high"], metrics.get("baseline")
    )


def confusion(counts: Sequence[Sequence[int]], classes: Sequence[str]) -> Markup:
    """What each class was taken for."""
    if len(classes) > _CLASSES:  # as a square it would be tens of thousands of cells
        pairs = [
            (truth, answer, n)
            for truth, row in zip(classes, counts, strict=True)
            for answer, n in zip(classes, row, strict=True)
            if n and truth != answer
        ]
        pairs.sort(key=lambda pair: -pair[2])
        table = Table(texts.CONFUSED_HEAD, pairs[:_PAIRS], (2,), texts.CONFUSED)
    else:
        rows = [(name, *row) for name, row in zip(classes, counts, strict=True)]
        table = Table((texts.TRUTH, *classes), rows, range(1, len(classes) + 1), texts.CONFUSION)
    return figure(drawn.confusion(counts, classes), caption=texts.CONFUSION_SAYS, table=table)


def reliability(bins: Sequence[Sequence[float]], ece: float | None) -> Markup:
    """Whether 90 % sure means right 9 times in 10."""
    points = [(float(sure), float(right), int(n)) for sure, right, n in bins]
    rows = [(percent(sure), percent(right), n) for sure, right, n in points]
    table = Table(
        (texts.SURE, texts.RIGHT, texts.ANSWERS), rows, (0, 1, 2), texts.RELIABILITY, named=False
    )
    says = texts.RELIABILITY_SAYS.format(ece=percent(ece))
    return figure(drawn.reliability(points), caption=says, table=table)


def skipping(metrics: Mapping[str, Any]) -> Markup:
    """What happens to the mistakes when doubtful pictures go without an answer."""
    refusal = metrics.get("refusal")
    curve = (metrics.get("abstention") or {}).get("curve", ())
    if refusal:
        by_sure = [(float(a), float(b)) for a, b in refusal["by_probability"]]
        by_known = [(float(a), float(b)) for a, b in refusal["by_familiarity"]]
    else:
        by_sure = [(float(p["coverage"]), float(p["accuracy"])) for p in curve]
        by_known = []
    left = metrics.get("abstained") or {}
    right = left.get("accuracy_answered")
    chosen = (1 - left["share"], right) if refusal and right is not None else None
    known = dict(by_known)
    head = (
        (texts.SHARE, texts.WRONG_SURE, texts.WRONG_KNOWN)
        if by_known
        else (texts.SHARE, texts.WRONG_SURE)
    )
    rows = [
        (percent(share, 0), percent(1 - good), *([percent(_wrong(known, share))] if known else []))
        for share, good in by_sure
    ]
    table = Table(head, rows, range(len(head)), texts.SKIPPING, named=False)
    says = texts.SKIPPING_SAYS if by_known else texts.SKIPPING_PLAIN
    if chosen is not None and refusal is not None:
        says += " " + texts.SKIPPING_SHIPPED.format(
            threshold=number(refusal["threshold"]), share=percent(left["share"])
        )
    return figure(drawn.abstention(by_sure, by_known, chosen), caption=says, table=table)


def _wrong(known: Mapping[float, float], share: float) -> float | None:
    return 1 - known[share] if share in known else None


def ahead(found: Mapping[str, Any]) -> Markup:
    """How much more pictures would help; `found` as `metrics.json` holds it."""

    def reach(one: Mapping[str, Any]) -> outlook.Reach:
        names = ("n", "accuracy", "low", "high", "factor")
        given: dict[str, Any] = {name: one.get(name) for name in names}
        return outlook.Reach(**given)

    measured = [reach(one) for one in found["measured"]]
    coming = [reach(one) for one in found["ahead"]]
    now = reach(found["now"])
    line = sorted([*measured, now, *coming], key=lambda one: one.n)
    told = outlook.Outlook(
        measured, now, coming, line, (), int(found["pictures"]), str(found["how"])
    )
    rows = [
        (f"{one.n:,}", percent(one.accuracy), f"{percent(one.low)} – {percent(one.high)}")
        for one in line
    ]
    table = Table(
        (texts.PICTURES, texts.ACCURACY, texts.INTERVAL_90),
        rows,
        (0, 1, 2),
        texts.OUTLOOK,
        named=False,
    )
    return figure(outlook.chart(told), caption=texts.OUTLOOK_SAYS, table=table)


def training(history: Sequence[Epoch], best: int | None = None) -> Markup:
    """Loss and accuracy by epoch, training and validation; grows while it trains.

    Of more than `_EPOCHS` epochs some are left out, evenly; the last and the best stay.
    """
    return _training(tuple(thinned(history, best)), best)


def thinned(history: Sequence[Epoch], best: int | None = None) -> list[Epoch]:
    """At most about `_EPOCHS` of the epochs: what is drawn anew for each must stay small."""
    step = -(-len(history) // _EPOCHS) or 1
    last = len(history) - 1
    return [
        one
        for place, one in enumerate(history)
        if place % step == 0 or place == last or one.number == best
    ]


@lru_cache(maxsize=64)
def _training(history: tuple[Epoch, ...], best: int | None) -> Markup:
    # Pages that watch one run draw the same at the same time.
    rows = [
        (
            one.number,
            number(one.loss, 4),
            number(one.validation_loss, 4),
            percent(one.accuracy),
            percent(one.validation_accuracy),
        )
        for one in history
    ]
    head = (
        texts.EPOCH,
        texts.LOSS,
        texts.VALIDATION_LOSS,
        texts.ACCURACY,
        texts.VALIDATION_ACCURACY,
    )
    table = Table(head, rows, range(5), texts.TRAINING)
    key = Markup(
        '<p class="legend small"><span class="key first"></span>{} '
        '<span class="key second"></span>{}</p>'
    ).format(texts.ON_TRAINING, texts.ON_VALIDATION)
    pair = Markup('<div class="pair">{}{}</div>').format(
        curves.loss(history, best), curves.accuracy(history, best)
    )
    return figure(key + pair, table=table)


def versions(rows: Sequence[Mapping[str, Any]], shown: int | None = None) -> Markup:
    """The accuracy of versions with their intervals, one line each, the newest first.

    Each row holds `version` and the headline figures; `shown` is drawn as the chosen one.
    """
    found = [
        Candidate(
            texts.VERSION.format(number=row["version"]),
            row["accuracy"],
            row["low"],
            row["high"],
            row.get("log_loss"),
            row["n"],
            chosen=row["version"] == shown,
        )
        for row in rows
        if row.get("accuracy") is not None
    ]
    return figure(curves.candidates(found), caption=texts.VERSIONS_SAYS, narrow=True)


def candidates(rows: Sequence[Mapping[str, Any]]) -> Markup:
    """Models that were tried on a table, side by side; rows as `metrics.json` holds them."""
    found = [Candidate(**row) for row in rows]
    table = Table(
        (texts.MODEL, texts.ROWS, texts.ACCURACY, texts.LOG_LOSS),
        [(one.name, one.n, percent(one.accuracy), number(one.log_loss)) for one in found],
        (1, 2, 3),
        texts.CANDIDATES,
    )
    drawing = curves.candidates(found)
    return figure(drawing, caption=texts.CANDIDATES_SAYS, table=table, narrow=True)


def columns(rows: Sequence[Mapping[str, Any]]) -> Markup:
    """What each column of a table is worth; rows as `metrics.json` holds them."""
    found = [Feature(**row) for row in rows]
    table = Table(
        (texts.COLUMN, texts.KIND, texts.VALUES, texts.MISSING),
        [(one.name, one.kind, one.values, one.missing or texts.UNKNOWN) for one in found],
        (3,),
        texts.COLUMNS,
    )
    if not any(one.importance is not None for one in found):
        return table.html()
    drawing = curves.importance(found)
    return figure(drawing, caption=texts.COLUMNS_SAYS, table=table, narrow=True)


def probabilities(odds: Sequence[tuple[str, float]], *, most: int = 12) -> Markup:
    """Bars of a model's answer, the likeliest first."""
    ranked = sorted(odds, key=lambda one: -one[1])
    rows = Markup("").join(
        Markup(
            '<li><span class="who">{}</span><span class="rail" aria-hidden="true">'
            '<i style="width:{}%"></i></span><span class="much">{}</span></li>'
        ).format(name, f"{100 * value:.1f}", percent(value))
        for name, value in ranked[:most]
    )
    return Markup('<ol class="odds">{}</ol>').format(rows)


def network(found: Network) -> Markup:
    """The net drawn from top to bottom, its layers as the table beside it."""
    from tellapart.report.drawing import svg

    # The drawing escapes every word that it is given.
    return figure(Markup(svg(found)), caption=texts.NETWORK_SAYS)  # noqa: S704


def layers(found: Network) -> Markup:
    """What each layer does to the numbers, as a table with its totals."""
    rows: list[Sequence[Any]] = [(texts.INPUT, "", "", shape(found.input), "", "")]
    rows += [
        (
            one.name,
            one.kind,
            settings(one),
            shape(one.output),
            f"{one.parameters:,}",
            quantity(one.flops),
        )
        for one in found.layers
    ]
    rows.append((texts.TOTAL, "", "", "", f"{found.parameters:,}", quantity(found.flops)))
    head = (texts.LAYER, texts.KIND, texts.SETTINGS, texts.OUTPUT, texts.PARAMETERS, texts.FLOPS)
    return Table(head, rows, (4, 5), texts.LAYERS).html()


def meter(value: float, label: str = "") -> Markup:
    """A share as a small bar; its figure stands beside it in words."""
    return Markup('<span class="meter" aria-hidden="true"><i style="width:{}%"></i></span>').format(
        escape(f"{100 * max(0.0, min(1.0, value)):.0f}")
    ) + Markup.escape(label)

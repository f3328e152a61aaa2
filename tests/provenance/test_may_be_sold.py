"""`licenses: sell`: only pictures that may be sold are taken, from services and from own lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tellapart.bundle import licenses
from tellapart.bundle.card import license_answers
from tellapart.catalog import Catalog, PictureRow
from tellapart.demo import listing
from tellapart.demo.drawing import draw
from tellapart.demo.picture_web import PictureWeb
from tellapart.recipe import asked, check
from tellapart.recipe.schema import SELLABLE
from tellapart.settings import Settings
from tellapart.steps import collect as collect_step
from tellapart.steps import open_context
from tellapart.steps.evaluate import telling
from tellapart.store.database import open_database


def _collect(settings: Settings, **recipe: Any) -> list[PictureRow]:
    engine = open_database(settings)
    written = asked(check({"name": "p", **recipe}))
    if "p" in Catalog.names(engine):
        Catalog.open(engine, "p").save_recipe(written)
    else:
        Catalog.create(engine, "p", written)
    context = open_context(settings, "p")
    collect_step.run(context)
    return context.catalog.pictures()


@pytest.mark.parametrize("word", ["sell", "Sell", ["sell"], ["sell", "by"], "by, sell"])
def test_the_word_means_the_licences_that_allow_it(word: str | list[str]) -> None:
    recipe = check({"classes": ["apple", "pear"], "licenses": word})
    assert sorted(recipe.licenses) == sorted(SELLABLE)
    assert set(asked(recipe)["licenses"]) == set(SELLABLE)


def test_every_one_of_them_allows_it_and_no_other_does() -> None:
    from tellapart.recipe import LICENSES

    for code in LICENSES:
        found = licenses.read(code)
        assert (code in SELLABLE) == (not found.noncommercial and not found.noderivatives)


def test_searches_bring_only_what_may_be_sold(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = ("by-nc", "cc0", "by-nd", "by-sa", "by-nc-sa", "by")
    monkeypatch.setattr(listing, "_LICENSES", [(code, "4.0") for code in codes])
    with PictureWeb(("apple", "boat"), n=12, size=(64, 48), faults=False) as web:
        settings = Settings(home=home, openverse_url=web.openverse_url, allow_hosts=(web.host,))
        asking = {"classes": ["apple", "boat"], "sources": ["openverse"], "per_class": 12}
        every = {row.license for row in _collect(settings, **asking) if row.status == "ok"}
        assert every - set(SELLABLE)  # else the filter would prove nothing
        rows = _collect(settings, **asking, licenses="sell")
        taken = [row for row in rows if row.status == "ok"]
        assert taken and {row.license for row in taken} <= set(SELLABLE)
        assert not any(
            lead.startswith(("Not for commercial", "No changes", "No known"))
            for lead, _ in telling.may_i(taken)
        )


def _list(folder: Path) -> Path:
    """One picture a licence, and one that states none."""
    words = ("cc0", "CC BY-SA 4.0", "by-nc", "CC BY-NC-ND 2.0", "all rights reserved", "")
    rows = ["path,label,license"]
    for place, word in enumerate(words):
        draw("sun", place, (64, 48)).save(folder / f"{place}.png")
        rows.append(f"{place}.png,{'a' if place % 2 else 'b'},{word}")
    (folder / "list.csv").write_text("\n".join(rows) + "\n")
    return folder / "list.csv"


@pytest.mark.parametrize("way", ["data", "urls"])
def test_own_lists_are_held_to_what_they_state(home: Path, tmp_path: Path, way: str) -> None:
    path, settings = _list(tmp_path), Settings(home=home)
    base: dict[str, Any] = {"data": str(path)}
    if way == "urls":
        base = {"classes": ["a", "b"], "sources": [{"urls": {"file": str(path)}}]}
    held = {Path(row.path).stem: row for row in _collect(settings, **base, licenses="sell")}
    assert {name for name, row in held.items() if row.status == "ok"} == {"0", "1", "5"}
    assert {(row.status, row.reason) for name, row in held.items() if name in "234"} == {
        ("refused", "license")
    }
    assert all(row.status == "ok" for row in _collect(settings, **base))  # asked for no more


def test_the_report_answers_as_the_card_does(home: Path, tmp_path: Path) -> None:
    rows = _collect(Settings(home=home), data=str(_list(tmp_path)))
    told = telling.may_i(rows)
    counts = licenses.counts(row.license for row in rows)
    kinds = {code: licenses.read("" if code == "unknown" else code) for code in counts}
    lines = license_answers(counts, kinds)
    assert [f"- **{lead}** {words}" for lead, words in told] == [
        line.replace("`", "") for line in lines
    ]
    assert any("`licenses: sell`" in line for line in lines)
    assert telling.may_i([]) == []

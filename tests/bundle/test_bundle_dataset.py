"""Licences, the data set's layout, and the card: what may be passed on, and what is said."""

from __future__ import annotations

import csv
import io
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tellapart.bundle import dataset, licenses
from tellapart.bundle.archive import names_problems
from tellapart.bundle.card import card
from tellapart.bundle.dataset import Entry, build, data_fingerprint, folder_names
from tellapart.recipe import LICENSES


@pytest.mark.parametrize(
    ("text", "code", "flags"),
    [
        ("cc0", "cc0", ""),
        ("PDM", "pdm", ""),
        ("public domain", "pdm", ""),
        ("by", "by", "credit"),
        ("CC BY 4.0", "by", "credit"),
        ("cc-by-sa-3.0", "by-sa", "credit sa"),
        ("CC BY-SA 3.0 de", "by-sa", "credit sa"),
        ("by-nc", "by-nc", "credit nc"),
        ("by_nc_sa", "by-nc-sa", "credit nc sa"),
        ("by-nd", "by-nd", "credit nd"),
        ("by-nc-nd", "by-nc-nd", "credit nc nd"),
    ],
)
def test_licenses_that_allow_passing_on(text: str, code: str, flags: str) -> None:
    found = licenses.read(text)
    assert found.code == code
    assert found.may_pass_on
    words = {
        "credit": found.attribution,
        "nc": found.noncommercial,
        "nd": found.noderivatives,
        "sa": found.sharealike,
    }
    assert " ".join(word for word, flag in words.items() if flag) == flags


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unknown",
        "all rights reserved",
        "gfdl",
        "by-xx",
        "nc",
        "bye",
        "not cc0",
        "by-sa-nd",
        "©",
    ],
)
def test_what_is_not_known_to_allow_it_does_not(text: str) -> None:
    assert not licenses.read(text).may_pass_on


def test_every_licence_a_recipe_may_ask_for_is_known() -> None:
    for code in LICENSES:
        assert licenses.read(code).code == code
        assert licenses.read(code).may_pass_on


def test_a_licence_without_a_page_gets_its_own() -> None:
    assert licenses.deed("by-sa", "4.0") == "https://creativecommons.org/licenses/by-sa/4.0/"
    assert licenses.deed("cc0", "") == "https://creativecommons.org/publicdomain/zero/1.0/"
    assert licenses.deed("by", "") == licenses.deed("mine", "4.0") == ""


def entry(tmp_path: Path, number: int, **changes: Any) -> Entry:
    data = b"\xff\xd8\xff picture %d" % number
    path = tmp_path / f"{number}.bin"
    path.write_bytes(data)
    whole = Entry(
        label="apple",
        split="train",
        sha256=f"{number:064x}",
        path=path,
        bytes=len(data),
        source="openverse",
        license="by",
    )
    return replace(whole, **changes)


def rows(data: Any) -> list[dict[str, str]]:
    assert isinstance(data, bytes)
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def test_the_layout_does_not_depend_on_the_order(tmp_path: Path) -> None:
    entries = [
        entry(tmp_path, k, label="pear" if k % 2 else "apple", split=dataset.SPLITS[k % 3])
        for k in range(12)
    ]
    one = build(entries)
    random.Random(1).shuffle(entries)
    two = build(entries)
    assert one.files == two.files
    assert one.summary == two.summary
    assert f"dataset/train/apple/{0:064x}.jpg" in one.files


def test_a_picture_of_two_sources_goes_in_by_its_freer_licence(tmp_path: Path) -> None:
    closed = entry(tmp_path, 1, license="", source="a")
    free = entry(tmp_path, 1, license="cc0", source="b")
    for order in ([closed, free], [free, closed]):
        found = build(order)
        assert found.summary["pictures"] == found.summary["included"] == 1
        assert rows(found.files["dataset/train/metadata.csv"])[0]["source"] == "b"


def test_paths_and_pictures_as_urls_stay_out(tmp_path: Path) -> None:
    found = build(
        [
            entry(tmp_path, 1, file_url="data:image/png;base64,AAAA", page_url="file:///home/me"),
            entry(tmp_path, 2, license="", file_url="https://example.org/2.jpg"),
        ]
    )
    inside = rows(found.files["dataset/train/metadata.csv"])[0]
    assert (inside["file_url"], inside["page_url"]) == ("", "")
    left = rows(found.files["dataset/withheld.csv"])[0]
    assert (left["file_url"], left["reason"]) == ("https://example.org/2.jpg", "license")
    assert left["sha256"] == f"{2:064x}"


def test_titles_cannot_break_tables_or_run_as_formulas(tmp_path: Path) -> None:
    found = build([entry(tmp_path, 1, title='=HYPERLINK("x")\r\nb', creator='A, "B"\0\nC')])
    credit = rows(found.files["dataset/ATTRIBUTION.csv"])[0]
    assert credit["title"] == '\'=HYPERLINK("x") b'
    assert credit["creator"] == 'A, "B"'
    assert found.files["dataset/ATTRIBUTION.csv"].count(b"\n") == 2  # type: ignore[union-attr]


def test_what_people_open_in_spreadsheets_runs_nothing(tmp_path: Path) -> None:
    """Programs read `metadata.csv`, so it has the words as they are."""
    evil = "=HYPERLINK(1)"
    found = build(
        [entry(tmp_path, 1, creator=evil), entry(tmp_path, 2, license="", creator=evil, label="-1")]
    )
    left = rows(found.files["dataset/withheld.csv"])[0]
    assert (left["creator"], left["label"]) == ("'=HYPERLINK(1)", "'-1")
    assert rows(found.files["dataset/train/metadata.csv"])[0]["creator"] == evil


def test_too_much_is_left_out_as_a_whole(tmp_path: Path) -> None:
    small, large = entry(tmp_path, 1), entry(tmp_path, 2, bytes=dataset.MAX_BYTES)
    found = build([small, large, entry(tmp_path, 3, license="")])
    assert found.summary["withheld_for_size"] is True
    assert found.summary["included"] == 0
    reasons = [row["reason"] for row in rows(found.files["dataset/withheld.csv"])]
    assert reasons == ["size", "size", "license"]
    assert build([large]).summary["withheld_for_size"] is False


def test_the_fingerprint_sees_content_label_and_split_alone(tmp_path: Path) -> None:
    base = [entry(tmp_path, 1), entry(tmp_path, 2)]
    same = [replace(base[1], path=Path("/elsewhere"), title="x"), base[0], base[0]]
    assert data_fingerprint(base) == data_fingerprint(same)
    for change in ({"label": "pear"}, {"split": "test"}, {"sha256": "0" * 64}):
        assert data_fingerprint([replace(base[0], **change), base[1]]) != data_fingerprint(base)


@given(st.lists(st.text(min_size=1, max_size=20), unique=True, max_size=12))
def test_any_labels_become_folders_that_are_safe_and_different(labels: list[str]) -> None:
    names = folder_names(labels)
    assert set(names) == set(labels)
    assert names_problems(f"dataset/train/{name}/a.jpg" for name in names.values()) == []
    assert len({name.casefold() for name in names.values()}) == len(labels)


def test_labels_that_clash_or_mislead_get_their_own_folders() -> None:
    names = folder_names(["Apple", "apple", "../etc", "CON", "a/b", "plain word", "ä", "..."])
    assert names["plain word"] == "plain word"
    assert names["ä"] == "ä"
    assert names["Apple"].casefold() != names["apple"].casefold()
    assert "/" not in "".join(names.values())
    assert names_problems(f"{name}/x" for name in names.values()) == []


def facts(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": "fruit",
        "version": 3,
        "labels": ["apple", "<b>*pear*</b>|x"],
        "backbone": {
            "name": "tf_efficientnet_lite0",
            "timm": "tf_efficientnet_lite0.in1k",
            "license": "Apache-2.0",
            "dim": 1280,
        },
        "input": {"size": 224, "view": "squash"},
        "thresholds": {"familiarity": 0.5, "probability": None},
        "golden": [{"file": "golden/00-gradient.png"}],
        "metrics": {"n": 0},
        "data": {
            "pictures": 2,
            "included": 2,
            "withheld_for_size": False,
            "splits": {"train": {"apple": 2}, "validation": {}, "test": {}},
            "licenses": {"cc0": 2},
            "fingerprint": "0" * 64,
        },
    }
    return {**found, **changes}


def test_the_card_says_what_was_not_measured_and_what_speaks_against_nothing() -> None:
    text = card(facts())
    assert "Nothing was measured" in text
    assert "Nothing recorded speaks against commercial use" in text
    assert "(NC)" not in text
    assert "your own responsibility" not in text


def test_the_card_warns_where_the_figures_do() -> None:
    warning = "The interval holds the baseline."
    text = card(facts(metrics={"n": 9, "accuracy": 0.5, "low": 0.3, "warning": warning}))
    assert f"**Warning:** {warning}" in text


def test_labels_cannot_break_the_card() -> None:
    text = card(facts())
    assert "<b>" not in text
    assert "&lt;b&gt;\\*pear\\*&lt;/b&gt;\\|x" in text


def test_the_front_matter_is_yaml_whatever_the_name() -> None:
    for name in ("fruit", "a: b, {c}", '"ä"', "no", "1e5"):
        for metrics in ({"n": 0}, {"n": 3, "accuracy": 1.0, "auc": None, "ece": 0.00001}):
            front = yaml.safe_load(card(facts(name=name, metrics=metrics)).split("---\n")[1])
            model = front["model-index"][0]
            assert model["name"] == model["results"][0]["dataset"]["name"] == name
            values = {m["type"]: m["value"] for m in model["results"][0]["metrics"]}
            assert values == {
                key: round(value, 6) for key, value in metrics.items() if key in ("accuracy", "ece")
            }

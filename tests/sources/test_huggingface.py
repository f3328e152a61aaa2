"""Data sets of the hub, by name and as clones."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.datasets.unpacking import RefusedArchiveError, unpack
from tellapart.errors import FetchError, InputError, MissingExtraError
from tellapart.plugins.sources.hub import _cursor, is_data_set, license_of
from tests.sources.conftest import Bench, write_folder
from tests.sources.services import COMMIT, DATA_SET, Reply, Services, picture

BenchOf = Callable[..., Bench]


def test_a_class_is_a_folder_and_its_split(bench_of: BenchOf, services: Services) -> None:
    hits, error = bench_of("huggingface").find("red boat")
    assert error is None and len(hits) == 68
    assert {hit.label for hit in hits} == {"Red_Boat"}
    # In natural order: 2.jpg before 10.jpg.
    names = [hit.file_url.rpartition("/")[2] for hit in hits if hit.split == "train"]
    assert names == [f"{n}.jpg" for n in range(60)]
    assert sum(hit.split == "test" for hit in hits) == 8
    first = hits[0]
    at = f"{services.url}/hub/datasets/{DATA_SET}"
    assert first.file_url == f"{at}/resolve/{COMMIT}/test/Red_Boat/0.jpg"
    assert (first.page_url, first.creator) == (at, "ada")
    assert (first.license, first.license_version) == ("by", "4.0")
    assert first.attribution == '"Fruit of Ada" by ada (by 4.0), via Hugging Face'


def test_the_list_of_files_is_read_to_its_end_and_once(
    bench_of: BenchOf, services: Services
) -> None:
    hits, _ = bench_of("huggingface").find("")
    assert len(hits) == 136
    tree = [one for one in services.asked if "/tree/" in one.path]
    assert [one.query.get("cursor") for one in tree] == [None, "100"]
    # The address in `Link` names the next page; where it leads is not the server's to say.
    assert all(one.path == f"/hub/api/datasets/{DATA_SET}/tree/{COMMIT}" for one in tree)


def test_metadata_names_classes_and_credits(bench_of: BenchOf, services: Services) -> None:
    services.files = {f"train/{n}.jpg": picture(str(n)) for n in range(6)}
    services.files["train/metadata.csv"] = (
        b"file_name,label,creator,license\n0.jpg,apple,Eve,CC0\n1.jpg,boat,,\n"
        b"../../secret.jpg,apple,,\n9.jpg,apple,,\n2.jpg,,,\n"
    )
    bench = bench_of("huggingface")
    hits, error = bench.find("apple")
    assert error is None
    assert [(hit.problem, hit.creator, hit.license) for hit in hits] == [
        ("", "Eve", "cc0"),
        ("no_such_file", "ada", "by"),
        ("no_such_file", "ada", "by"),
    ]
    assert [hit.file_url.rpartition("/")[2] for hit in hits] == ["0.jpg", "", ""]
    services.files = {
        "data/1.jpg": picture("1"),
        "data/metadata.jsonl": b'{"file_name": "1.jpg", "label": 3, "split": "val"}\nnonsense\n',
    }
    (hit,) = bench_of("huggingface").find("3")[0]
    assert hit.split == "validation" and hit.file_url.endswith("/data/1.jpg")


def test_the_recipes_licences_hold_for_the_whole_set(bench_of: BenchOf, services: Services) -> None:
    services.card = {"license": ["other"]}
    hits, _ = bench_of("huggingface").find("apple", licenses=("by",))
    assert {hit.problem for hit in hits} == {"license"} and {hit.license for hit in hits} == {""}
    services.card = {}
    # Said by a tag where the card is silent.
    assert bench_of("huggingface").find("apple", 1)[0][0].license == "cc0"


@pytest.mark.parametrize("packed", ["train-00000-of-00001.parquet", "shards/000.tar"])
def test_a_set_without_picture_files_says_so(
    packed: str, bench_of: BenchOf, services: Services
) -> None:
    services.files = {"README.md": b"", packed: b"PAR1"}
    hits, error = bench_of("huggingface").find("apple")
    assert hits == [] and isinstance(error, FetchError) and error.reason == "unreadable"
    assert "." + packed.rpartition(".")[2] in error.what and "class folders" in error.do


def test_a_set_that_is_not_there_or_not_open(bench_of: BenchOf, services: Services) -> None:
    hits, error = bench_of("huggingface", {"name": "ada/none"}).find("apple")
    assert hits == [] and isinstance(error, FetchError) and error.reason == "http_401"
    assert "'ada/none'" in error.what and "clone" in error.do
    _, error = bench_of("huggingface", {"name": DATA_SET, "revision": "v9"}).find("apple")
    assert isinstance(error, FetchError) and error.reason == "http_401"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"name": 5},
        {"name": "../x"},
        {"name": "a/b/c"},
        {"name": "a/../../api"},
        {"name": DATA_SET, "revision": "../../x"},
        {"name": DATA_SET, "revision": 7},
        {"path": "/nowhere"},
    ],
)
def test_options_are_checked(
    options: dict[str, Any], bench_of: BenchOf, services: Services
) -> None:
    hits, error = bench_of("huggingface", options).find("apple")
    assert hits == [] and isinstance(error, InputError) and error.do and not services.asked


def test_a_clone_is_read_in_place(bench_of: BenchOf, services: Services, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "clone")
    (folder / "README.md").write_text("---\nlicense: cc0-1.0\npretty_name: Mine\n---\n# Hello\n")
    hits, error = bench_of("huggingface", {"path": str(folder)}).find("Apple")
    assert error is None and len(hits) == 12 and services.asked == []
    assert hits[3].path == folder / "apple" / "3.jpg" and hits[3].license == "cc0"
    assert hits[3].license_url.endswith("/zero/1.0/")
    assert hits[3].attribution == '"Mine" by unknown (cc0 1.0), via Hugging Face'


@pytest.mark.parametrize("card", ["---\n[\n---\n", "---\nlicense: {a: 1}\n---\n", "x", "---\n"])
def test_no_card_breaks_a_clone(card: str, bench_of: BenchOf, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "clone")
    (folder / "README.md").write_text(card)
    hits, error = bench_of("huggingface", {"path": str(folder)}).find("apple")
    assert error is None and {hit.license for hit in hits} == {""}


def test_a_clone_of_other_archives_says_so(bench_of: BenchOf, tmp_path: Path) -> None:
    (tmp_path / "clone" / "data").mkdir(parents=True)
    (tmp_path / "clone" / "data" / "train.arrow").write_bytes(b"ARROW1")
    _, error = bench_of("huggingface", {"path": str(tmp_path / "clone")}).find("apple")
    assert isinstance(error, FetchError) and ".arrow" in error.what


def write_shard(
    path: Path, labels: list[Any], names: list[str] | None, plain: bool = False
) -> None:
    """As `datasets` writes it, or `plain`: bytes in a column of that name, words for classes."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    data = [picture(f"{path.name}{n}") for n in range(len(labels))]
    images = pa.array(data if plain else [{"bytes": one, "path": None} for one in data])
    table = pa.table({"image": images, "label": pa.array(labels)})
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": names}}
    said = {} if plain else {"huggingface": json.dumps({"info": {"features": features}})}
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table.replace_schema_metadata(said), path, row_group_size=4)


def test_a_clone_of_parquet_is_read_where_there_is_a_reader(
    bench_of: BenchOf, tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow")
    clone, names = tmp_path / "clone", ["apple", "Red_Boat"]
    write_shard(clone / "data" / "train-00000-of-00002.parquet", [0] * 9, names)
    write_shard(clone / "data" / "train-00001-of-00002.parquet", [1, 0, -1, 1], names)
    write_shard(clone / "more" / "test.parquet", ["apple", "x/../y", None], None, plain=True)
    write_shard(clone / "test.parquet", ["apple"], None, plain=True)
    (clone / "README.md").write_text("---\nlicense: mit\n---\n")
    bench = bench_of("huggingface", {"path": str(clone)})
    hits, error = bench.find("apple")
    assert error is None and [hit.split for hit in hits] == ["train"] * 10 + ["test"] * 2
    assert len({hit.key for hit in hits}) == 12 and {hit.license for hit in hits} == {"mit"}
    assert hits[0].key == "data/train-00000-of-00002.parquet/pictures/0000000.jpg"
    assert hits[-1].path is not None and hits[-1].path.read_bytes() == picture("test.parquet0")
    every, _ = bench.find("")
    assert len(every) == 17 and sum(hit.problem == "no_label" for hit in every) == 2
    assert len(bench.find("red boat")[0]) == 2
    assert [hit.label for hit in bench.find("x/../y")[0]] == ["x/../y"]


@pytest.mark.parametrize("cut", [0, 4, 300])
def test_no_damage_to_parquet_is_taken_for_pictures(
    cut: int, bench_of: BenchOf, tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "clone" / "train.parquet"
    write_shard(path, [0, 1], ["a", "b"])
    path.write_bytes(path.read_bytes()[:-cut] if cut else b"")
    hits, error = bench_of("huggingface", {"path": str(path.parent)}).find("a")
    assert hits == [] and isinstance(error, InputError) and "Parquet" in error.what


@pytest.mark.parametrize("bomb", ["image", "label"])
def test_parquet_that_grows_is_refused_before_it_has_grown(bomb: str, tmp_path: Path) -> None:
    """One value that stands in the file once, and is that of a thousand rows."""
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path, rows, large = tmp_path / "t.parquet", 1000, 1 << 20
    value: bytes | str = bytes(large) if bomb == "image" else "a" * large
    column = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([value]))
    table = pa.table({"image": [b"a"] * rows, "label": ["a"] * rows, bomb: column})
    parquet.write_table(table, path, store_schema=False, compression="zstd", row_group_size=rows)
    assert path.stat().st_size < 100_000
    before = pa.default_memory_pool().max_memory()
    with pytest.raises(RefusedArchiveError, match="would unpack to more than"):
        unpack(path, tmp_path / "out")
    assert pa.default_memory_pool().max_memory() < before + (256 << 20)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("bomb", ["image", "label", "x.y"])
def test_parquet_with_a_page_that_grows_is_refused_unread(
    bomb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row is enough: a page is unpacked whole."""
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path, large = tmp_path / "t.parquet", 65 << 20
    value = pa.array(["a" * large if bomb == "label" else {"bytes": bytes(large)}])
    other = {"image": [b"a"]} if bomb == "label" else {"label": ["a"]}
    table = pa.table({bomb: value, **other})
    parquet.write_table(
        table,
        path,
        store_schema=False,
        compression="zstd",
        use_dictionary=False,
        write_statistics=False,
    )
    assert path.stat().st_size < 100_000
    monkeypatch.setattr("tellapart.datasets.parquets._Shard.row", None)
    with pytest.raises(RefusedArchiveError, match="would unpack to more than"):
        unpack(path, tmp_path / "out")


def test_parquet_without_pictures_says_what_it_holds(bench_of: BenchOf, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    (tmp_path / "clone").mkdir()
    parquet.write_table(pa.table({"a": [1], "label": ["x"]}), tmp_path / "clone" / "t.parquet")
    _, error = bench_of("huggingface", {"path": str(tmp_path / "clone")}).find("x")
    assert isinstance(error, InputError) and "(a, label)" in error.what


def test_without_a_reader_parquet_says_how_to_get_it(
    bench_of: BenchOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clone").mkdir()
    (tmp_path / "clone" / "train.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    _, error = bench_of("huggingface", {"path": str(tmp_path / "clone")}).find("apple")
    assert isinstance(error, MissingExtraError) and "tellapart[parquet]" in error.do


def test_an_odd_list_of_files_is_told(bench_of: BenchOf, services: Services) -> None:
    services.script(f"/hub/api/datasets/{DATA_SET}/tree", Reply([1, {"type": "file"}, None]))
    hits, error = bench_of("huggingface").find("apple")
    assert hits == [] and isinstance(error, FetchError) and error.reason == "unreadable"


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("cc-by-sa-4.0", ("by-sa", "4.0")),
        (["cc-by-nc-nd-3.0", "mit"], ("by-nc-nd", "3.0")),
        ("CC0-1.0", ("cc0", "1.0")),
        ("mit", ("mit", "")),
        ("other", ("", "")),
        (None, ("", "")),
        ([], ("", "")),
        ({"a": 1}, ("", "")),
    ],
)
def test_licences_of_cards(said: object, found: tuple[str, str]) -> None:
    assert license_of(said)[:2] == found


@given(st.text(max_size=60))
def test_no_name_leads_elsewhere(name: str) -> None:
    if is_data_set(name):
        assert ".." not in name and name.count("/") <= 1 and not name.startswith(("/", "."))
        assert not set(name) & set("?#%\\:@ ")


@given(st.text(max_size=80))
def test_no_link_breaks_the_paging(link: str) -> None:
    assert isinstance(_cursor(link), str)
    assert _cursor(f'<https://x/y?cursor=a%3D&limit=1>; rel="next", {link}') == "a="

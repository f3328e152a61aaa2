import json
import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.demo.drawing import write_folder
from tellapart.doors import Hit
from tellapart.errors import InputError
from tellapart.plugins.formats.csv import Csv
from tellapart.plugins.formats.imagefolder import ImageFolder
from tellapart.plugins.formats.metadata import Metadata
from tellapart.plugins.formats.places import Labels, Places, natural
from tellapart.plugins.formats.rows import read_csv, read_jsonl


def picture(path: Path) -> Path:
    """A file that formats take for a picture: they look at names, never inside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\xff\xd8\xff")
    return path


def rows(hits: list[Hit], root: Path) -> list[tuple[str, str | None, str | None, str]]:
    return [
        (str(h.path.relative_to(root)) if h.path else "", h.label, h.split, h.problem) for h in hits
    ]


# ------------------------------------------------------------------ ImageFolder


def test_class_folders_in_alphabetical_and_natural_order(tmp_path: Path) -> None:
    for name in ("pear/10.jpg", "pear/2.JPG", "apple/b/deep.png", "apple/a.webp"):
        picture(tmp_path / name)
    (tmp_path / "apple/.hidden.jpg").write_bytes(b"x")
    (tmp_path / "apple/notes.txt").write_text("x")
    (tmp_path / ".git").mkdir()
    picture(tmp_path / ".git/x.jpg")
    hits = list(ImageFolder().read(tmp_path))
    assert rows(hits, tmp_path) == [
        ("apple/a.webp", "apple", None, ""),
        ("apple/b/deep.png", "apple", None, ""),
        ("pear/2.JPG", "pear", None, ""),
        ("pear/10.jpg", "pear", None, ""),
    ]
    assert [h.rank for h in hits] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("spelling", "split"),
    [
        ("train", "train"),
        ("Training", "train"),
        ("val", "validation"),
        ("valid", "validation"),
        ("validation", "validation"),
        ("dev", "validation"),
        ("TEST", "test"),
    ],
)
def test_every_spelling_of_a_split(tmp_path: Path, spelling: str, split: str) -> None:
    picture(tmp_path / spelling / "cat" / "1.jpg")
    picture(tmp_path / ("test" if split == "train" else "train") / "cat" / "2.jpg")
    found = {h.path.name: h.split for h in ImageFolder().read(tmp_path) if h.path}
    assert found["1.jpg"] == split
    assert len(set(found.values())) == 2


def test_a_class_named_train_is_a_class(tmp_path: Path) -> None:
    for name in ("train", "car"):
        picture(tmp_path / name / "1.jpg")
    assert {(h.label, h.split) for h in ImageFolder().read(tmp_path)} == {
        ("train", None),
        ("car", None),
    }


def test_a_class_called_like_a_picture_is_a_class(tmp_path: Path) -> None:
    for name in ("a.png", "b"):
        picture(tmp_path / "plain" / name / "1.jpg")
        picture(tmp_path / "split" / "train" / name / "1.jpg")
        picture(tmp_path / "split" / "test" / name / "1.jpg")
    for folder in ("plain", "split"):
        hits = list(ImageFolder().read(tmp_path / folder))
        assert {hit.label for hit in hits} == {"a.png", "b"}
        assert not any(hit.problem for hit in hits)
        assert {hit.split for hit in hits} == ({None} if folder == "plain" else {"train", "test"})


def test_pictures_beside_split_folders_are_refused_not_lost(tmp_path: Path) -> None:
    picture(tmp_path / "train/cat/1.jpg")
    picture(tmp_path / "test/cat/2.jpg")
    picture(tmp_path / "samples/3.jpg")
    picture(tmp_path / "4.jpg")
    problems = {h.path.name: h.problem for h in ImageFolder().read(tmp_path) if h.path}
    assert problems == {"1.jpg": "", "2.jpg": "", "3.jpg": "outside_splits", "4.jpg": "no_label"}


def test_a_wrapped_folder_is_looked_into(tmp_path: Path) -> None:
    picture(tmp_path / "set/data/train/cat/1.jpg")
    picture(tmp_path / "set/data/train/dog/1.jpg")
    picture(tmp_path / "set/data/test/cat/1.jpg")
    found = Counter((h.label, h.split) for h in ImageFolder().read(tmp_path))
    assert found == {("cat", "train"): 1, ("dog", "train"): 1, ("cat", "test"): 1}


def test_links_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    root, secret = tmp_path / "root", picture(tmp_path / "secret.jpg")
    inside = picture(root / "cat/1.jpg")
    picture(root / "dog/1.jpg")
    (root / "cat/out.jpg").symlink_to(secret)
    (root / "cat/in.jpg").symlink_to(inside)
    (root / "cat/dangling.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (root / "cat/folder").symlink_to(tmp_path)
    (root / "linked").symlink_to(tmp_path)
    problems = {
        str(h.path.relative_to(root)): h.problem for h in ImageFolder().read(root) if h.path
    }
    assert problems["cat/1.jpg"] == problems["cat/in.jpg"] == problems["dog/1.jpg"] == ""
    assert problems["cat/out.jpg"] == "link_outside"
    assert problems["cat/dangling.jpg"] == "link_outside"
    assert problems["cat/folder"] == "link_outside"
    assert problems["linked/secret.jpg"] == "link_outside"


def test_links_that_lead_to_themselves_stop_nothing(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        picture(tmp_path / name / "1.jpg")
    for link in ("self", "self.jpg", "cat/self", "cat/self.jpg"):
        (tmp_path / link).symlink_to(Path(link).name)
    found = {
        str(h.path.relative_to(tmp_path)): h.problem for h in ImageFolder().read(tmp_path) if h.path
    }
    assert found["cat/1.jpg"] == found["dog/1.jpg"] == ""
    assert found["cat/self.jpg"] == "bad_path"
    assert any(ImageFolder().batches(tmp_path))


def test_case_clashes_are_refused(tmp_path: Path) -> None:
    for name in ("cat/a.jpg", "cat/A.jpg", "Cat/b.jpg", "dog/a.jpg"):
        picture(tmp_path / name)
    if len(list(tmp_path.iterdir())) < 3:
        pytest.skip("this file system knows no upper and lower case")
    found = {str(h.path.relative_to(tmp_path)): h.problem for h in ImageFolder().read(tmp_path)}
    assert sorted(found.values()) == ["", "", "case_clash", "case_clash"]
    assert found["dog/a.jpg"] == ""


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    picture(tmp_path / "cat/1.jpg")
    picture(tmp_path / "dog/1.jpg")
    os.mkfifo(tmp_path / "cat/pipe.jpg")
    problems = {h.path.name: h.problem for h in ImageFolder().read(tmp_path) if h.path}
    assert problems["pipe.jpg"] == "not_a_file"


def test_empty_folder_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no class folders"):
        list(ImageFolder().read(tmp_path))
    (tmp_path / "cat").mkdir()
    with pytest.raises(InputError, match="No picture"):
        list(ImageFolder().read(tmp_path))


def test_shared_sets_are_read_whole(shared_data: Path) -> None:
    hits = list(ImageFolder().read(shared_data / "grocery_10"))
    assert Counter(h.split for h in hits) == {"train": 663, "test": 420, "validation": 80}
    assert not [h for h in hits if h.problem]


# ------------------------------------------------------------------ metadata.csv|jsonl


def test_metadata_in_each_split(tmp_path: Path) -> None:
    for split in ("train", "test"):
        picture(tmp_path / split / "1.jpg")
        (tmp_path / split / "metadata.csv").write_text(
            "file_name,label,license,creator,page_url,group\n"
            "1.jpg,cat,CC0,Ada,https://x/1,g1\n../../secret.jpg,cat,,,,\n/etc/passwd,cat,,,,\n"
        )
    assert Metadata.recognizes(tmp_path)
    hits = list(Metadata().read(tmp_path))
    assert [(h.label, h.split, h.problem) for h in hits] == [
        ("cat", split, problem)
        for split in ("test", "train")
        for problem in ("", "outside", "outside")
    ]
    assert (hits[0].license, hits[0].creator, hits[0].page_url) == ("cc0", "Ada", "https://x/1")
    assert hits[0].group == "g1"


def test_metadata_jsonl_with_labels_from_folders(tmp_path: Path) -> None:
    picture(tmp_path / "train/cat/1.jpg")
    lines = [
        json.dumps({"file_name": "train/cat/1.jpg", "split": "train"}),
        "{broken",
        "[" * 5000,
        json.dumps({"file_name": "train/cat/2.jpg", "label": 3}),
        json.dumps({"file_name": "train/cat/1.jpg", "label": ["cat"]}),
        "",
    ]
    (tmp_path / "metadata.jsonl").write_text("\n".join(lines))
    found = [(h.label, h.split, h.problem) for h in Metadata().read(tmp_path)]
    assert found == [
        ("cat", "train", ""),
        (None, None, "bad_row"),
        (None, None, "bad_row"),
        ("3", None, "no_such_file"),
        ("", None, "bad_label"),
    ]


# ------------------------------------------------------------------ CSV


def test_csv_of_relative_absolute_and_remote_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "list"
    picture(folder / "a.jpg")
    other = picture(tmp_path / "other" / "b.jpg")
    (folder / "l.csv").write_text(
        "path,label,split,group\n"
        "a.jpg,cat,train,g\n"
        f"{other},dog,valid,\n"
        "https://x.org/c.jpg,dog,test,\n"
        "../other/b.jpg,dog,,\n"
        "gone.jpg,dog,,\n"
        "a.jpg,,,\n"
        "a.jpg,cat,train,g,surplus cell\n"
    )
    hits = list(Csv().read(folder / "l.csv"))
    assert [(h.label, h.split, h.problem) for h in hits] == [
        ("cat", "train", ""),
        ("dog", "validation", ""),
        ("dog", "test", ""),
        ("dog", None, "outside"),
        ("dog", None, "no_such_file"),
        ("", None, "no_label"),
        (None, None, "bad_row"),
    ]
    assert hits[1].path == other
    assert (hits[2].file_url, hits[2].path) == ("https://x.org/c.jpg", None)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_spellings(tmp_path: Path, encoding: str, delimiter: str) -> None:
    picture(tmp_path / "Birne, gelb.jpg")
    text = (
        f'\n"Image Path"{delimiter}Class\r\n"Birne, gelb.jpg"{delimiter}"Köstliche ""Birne"""\r\n'
    )
    (tmp_path / "l.csv").write_bytes(text.encode(encoding))
    (hit,) = Csv().read(tmp_path / "l.csv")
    assert (hit.label, hit.problem) == ('Köstliche "Birne"', "")


def test_csv_without_header_and_windows_paths(tmp_path: Path) -> None:
    picture(tmp_path / "cat/a.jpg")
    (tmp_path / "l.csv").write_text("cat\\a.jpg,cat\ncat\\..\\..\\b.jpg,cat\n")
    assert [h.problem for h in Csv().read(tmp_path / "l.csv")] == ["", "outside"]
    (tmp_path / "l.txt").write_text("https://x.org/a,b;c.jpg\nhttps://x.org/2.jpg\n")
    assert [h.problem for h in Csv().read(tmp_path / "l.txt")] == ["no_label", "no_label"]
    assert [h.file_url[-7:] for h in Csv().read(tmp_path / "l.txt")] == ["b;c.jpg", "g/2.jpg"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "names no column"),
        (b"who,what\n1,2\n", "names no column"),
        (b"path,label\n", "lists no picture"),
        (b"a," * 1_000_000 + b"\n", "1,000,000 characters"),
        (b"a," * 1000 + b"path\n", "1,001 columns"),
        (b'path,label\n"open quote,x\n' + b"y,z\n" * 40_000, "cannot be read near line"),
        (b"path,label\n\xff\xfe\xfa.jpg,x\n", "not text in UTF-8"),
        (b"path,label\n" + b"a" * 2_000_000, "Line 2"),
    ],
)
def test_a_file_that_is_no_list_is_an_input_error(
    tmp_path: Path, content: bytes, says: str
) -> None:
    (tmp_path / "l.csv").write_bytes(content)
    with pytest.raises(InputError) as error:
        list(Csv().read(tmp_path / "l.csv"))
    assert says in error.value.what


def test_formats_do_not_claim_the_same_path(tmp_path: Path) -> None:
    picture(tmp_path / "metadata.csv")
    picture(tmp_path / "list.csv")
    assert Metadata.recognizes(tmp_path / "metadata.csv")
    assert not Csv.recognizes(tmp_path / "metadata.csv")
    assert Csv.recognizes(tmp_path / "list.csv")
    assert not ImageFolder.recognizes(tmp_path / "list.csv")
    write_folder(tmp_path / "plain", ["apple"], 1)
    assert ImageFolder.recognizes(tmp_path / "plain")
    assert not Metadata.recognizes(tmp_path / "plain")


# ------------------------------------------------------------------ anything at all


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_break_the_readers(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    for start in (b"", b"path,label\n"):
        path.write_bytes(start + data)
        for reader in (read_csv, read_jsonl):
            try:
                for row in reader(path):
                    assert row is None or isinstance(row, dict)
            except InputError:
                pass


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.text(max_size=40),
        st.lists(
            st.sampled_from(["..", ".", "a", "b.jpg", "", "/", "\\", "~", "c:"]), max_size=8
        ).map("/".join),
    )
)
def test_no_name_leads_out_of_the_folder(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    root = tmp_path_factory.getbasetemp() / "confined"
    root.mkdir(exist_ok=True)
    picture(root.parent / "b.jpg")
    found, problem = Places(root).find(name)
    if found is not None and not problem:
        assert found.resolve().is_relative_to(root.resolve())
    if found is not None and not found.is_relative_to(root):
        assert problem == "outside"


@given(st.lists(st.text(max_size=12), max_size=12))
def test_natural_order_is_a_total_order(names: list[str]) -> None:
    once = sorted(names, key=natural)
    once.reverse()
    assert sorted(once, key=natural) == once[::-1]
    assert sorted(["a10", "a9", "A1"], key=natural) == ["A1", "a9", "a10"]


@given(st.one_of(st.text(max_size=30), st.none(), st.integers(), st.lists(st.text())))
def test_a_label_is_clean_or_has_a_problem(raw: object) -> None:
    label, problem = Labels().check(raw)
    assert problem or (label == label.strip() and label.isprintable())

"""Data sets by name: from a folder, from a mirror, from scikit-learn, made from a seed."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tellapart import datasets, tables
from tellapart.errors import DataError, FetchError, NotFoundError
from tellapart.settings import Settings

from .conftest import Mirror, small_idx


def _folder(tmp_path: Path, sign: str = "-", packed: bool = False) -> Path:
    folder = tmp_path / "originals"
    folder.mkdir(exist_ok=True)
    for name, data in small_idx().items():
        name = name.replace("-idx", f"{sign}idx")
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(data))
        else:
            (folder / name).write_bytes(data)
    return folder


def test_names_are_known_in_any_spelling() -> None:
    for word in ("mnist", "MNIST", "Fashion-MNIST", "fashion_mnist", "CIFAR-10", "breast cancer"):
        assert datasets.canonical(word) in datasets.FACTS
    assert datasets.canonical("CIFAR-10") == "cifar10"
    assert datasets.canonical("mnist.csv") is None
    assert datasets.canonical("") is None


@pytest.mark.parametrize("sign", ["-", "."])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_idx_files_in_a_folder(
    settings: Settings, tmp_path: Path, sign: str, packed: bool, name: str
) -> None:
    found = datasets.load_arrays(
        name, replace(settings, datasets_dir=_folder(tmp_path, sign, packed))
    )
    assert found.x.shape == (40, 28, 28, 1)
    assert found.x.dtype == np.uint8
    assert found.y.tolist() == [*(i % 10 for i in range(30)), *range(10)]
    assert found.official.tolist() == ["train"] * 30 + ["test"] * 10
    assert found.classes == datasets.FACTS[name].classes
    assert "40 pictures" in found.notes[0]
    files = small_idx()
    start = files["train-images-idx3-ubyte"][16 : 16 + 784]
    assert found.x[0].tobytes() == start
    again = datasets.load_arrays(
        name, replace(settings, datasets_dir=_folder(tmp_path, sign, packed))
    )
    assert again.sha256 == found.sha256


def test_a_folder_of_its_own_within_the_folder_comes_first(
    settings: Settings, tmp_path: Path
) -> None:
    folder = _folder(tmp_path)
    (folder / "fashion-mnist").mkdir()
    for name, data in small_idx(train=20).items():
        (folder / "fashion-mnist" / name).write_bytes(data)
    at = replace(settings, datasets_dir=folder)
    assert len(datasets.load_arrays("fashion_mnist", at).x) == 30
    assert len(datasets.load_arrays("mnist", at).x) == 40


def test_a_folder_that_lacks_a_file_or_holds_wrong_ones_is_told(
    settings: Settings, tmp_path: Path
) -> None:
    folder = _folder(tmp_path)
    at = replace(settings, datasets_dir=folder)
    labels = folder / "train-labels-idx1-ubyte"
    whole = labels.read_bytes()
    labels.write_bytes(whole[:-3])
    with pytest.raises(DataError, match="is cut"):
        datasets.load_arrays("mnist", at)
    labels.write_bytes(small_idx(train=20)["train-labels-idx1-ubyte"])
    with pytest.raises(DataError, match="20 labels"):
        datasets.load_arrays("mnist", at)
    labels.write_bytes(whole[:-1] + b"\x0b")
    with pytest.raises(DataError, match="label 11"):
        datasets.load_arrays("mnist", at)
    labels.unlink()
    with pytest.raises(DataError, match="lacks the file train-labels"):
        datasets.load_arrays("mnist", at)


def test_a_mirror_is_asked_once_and_the_files_are_kept(
    settings: Settings, mirror: Mirror, small_originals: dict[str, bytes]
) -> None:
    mirror.files = {f"/sets/{name}": data for name, data in small_originals.items()}
    at = replace(settings, datasets_urls=(f"{mirror.url}/sets",), allow_hosts=(mirror.host,))
    found = datasets.load_arrays("mnist", at)
    assert len(found.x) == 40
    asked = len(mirror.asked)
    again = datasets.load_arrays("mnist", at)
    assert (len(mirror.asked), again.sha256) == (asked, found.sha256)
    # A file cut on the disk is not taken for the original, but fetched again.
    kept = settings.cache_dir / "datasets" / "mnist" / "t10k-labels-idx1-ubyte.gz"
    kept.write_bytes(kept.read_bytes()[:-4])
    assert datasets.load_arrays("mnist", at).sha256 == found.sha256
    assert len(mirror.asked) > asked


def test_a_second_mirror_serves_where_the_first_is_wrong_cut_or_gone(
    settings: Settings, mirror: Mirror, small_originals: dict[str, bytes]
) -> None:
    images, labels, _, other = sorted(small_originals)
    for name, data in small_originals.items():
        mirror.files[f"/good/mnist/{name}"] = data
        mirror.files[f"/bad/{name}"] = data
    mirror.files[f"/bad/{images}"] = small_originals[labels]
    mirror.cut.add(f"/bad/{other}")
    del mirror.files[f"/bad/{labels}"]
    at = replace(
        settings,
        datasets_urls=(f"{mirror.url}/bad", f"{mirror.url}/good/{{name}}"),
        allow_hosts=(mirror.host,),
    )
    assert len(datasets.load_arrays("mnist", at).x) == 40
    taken = [path for path in mirror.asked if path.startswith("/good")]
    assert sorted(taken) == sorted(f"/good/mnist/{name}" for name in (images, labels, other))
    assert not list((settings.cache_dir / "datasets" / "mnist").glob(".partial*"))


def test_a_file_packed_by_another_program_is_the_same_file(
    settings: Settings, mirror: Mirror, small_originals: dict[str, bytes]
) -> None:
    for name, data in small_originals.items():
        mirror.files[f"/{name}"] = gzip.compress(gzip.decompress(data), 1, mtime=7)
        assert mirror.files[f"/{name}"] != data
    at = replace(settings, datasets_urls=(mirror.url,), allow_hosts=(mirror.host,))
    assert len(datasets.load_arrays("mnist", at).x) == 40


def test_where_mnist_cannot_be_had_the_ways_are_named(
    settings: Settings, mirror: Mirror, small_originals: dict[str, bytes]
) -> None:
    name = "train-images-idx3-ubyte.gz"
    mirror.files[f"/{name}"] = b"not it"
    at = replace(settings, datasets_urls=(mirror.url,), allow_hosts=(mirror.host,))
    with pytest.raises(FetchError) as caught:
        datasets.load_arrays("mnist", at)
    error = caught.value
    assert "'mnist' cannot be had" in error.what
    assert "SHA-256" in error.what
    assert name in error.expected
    for way in ("TELLAPART_DATASETS ", "TELLAPART_DATASETS_URL", "`digits`"):
        assert way in error.do
    assert error.reason == "checksum"
    # No private address is asked unless it was allowed.
    with pytest.raises(FetchError) as refused:
        datasets.load_arrays("mnist", replace(at, allow_hosts=()))
    assert refused.value.code == "refused"


def _batches(pickled: bool) -> dict[str, bytes]:
    random = np.random.default_rng(2)
    found = {}
    for i, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        rows = random.integers(0, 256, (4, 3072), dtype=np.uint8)
        labels = [i, 9, 0, 5]
        if pickled:
            found[name] = pickle.dumps({b"data": rows, b"labels": labels}, 2)
        else:
            found[f"{name}.bin"] = b"".join(
                bytes([label]) + row.tobytes() for label, row in zip(labels, rows, strict=True)
            )
    return found


def _tar(files: dict[str, bytes], folder: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, data in {**files, "../../readme.html": b"x"}.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def test_cifar10_in_all_its_forms_is_the_same(settings: Settings, tmp_path: Path) -> None:
    digests = set()
    for kind, pickled in (("bin", False), ("py", True)):
        folder = tmp_path / kind
        inner = folder / f"cifar-10-batches-{kind}"
        inner.mkdir(parents=True)
        for name, data in _batches(pickled).items():
            (inner / name).write_bytes(data)
        packed = tmp_path / f"{kind}-packed"
        packed.mkdir()
        name = {"bin": "cifar-10-binary.tar.gz", "py": "cifar-10-python.tar.gz"}[kind]
        (packed / name).write_bytes(_tar(_batches(pickled), f"cifar-10-batches-{kind}"))
        for place in (folder, inner, packed):
            found = datasets.load_arrays("cifar10", replace(settings, datasets_dir=place))
            assert found.x.shape == (24, 32, 32, 3)
            assert found.official.tolist() == ["train"] * 20 + ["test"] * 4
            assert found.y[:5].tolist() == [0, 9, 0, 5, 1]
            digests.add(found.sha256)
        assert not (tmp_path / "readme.html").exists()
    assert len(digests) == 1


@pytest.mark.parametrize("damage", ["cut", "lacking", "other"])
def test_a_damaged_cifar10_archive_is_told(settings: Settings, tmp_path: Path, damage: str) -> None:
    files = _batches(False)
    if damage == "lacking":
        del files["test_batch.bin"]
    data = _tar(files, "cifar-10-batches-bin")
    data = {"cut": data[: len(data) // 2], "other": b"no archive at all"}.get(damage, data)
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(data)
    with pytest.raises(DataError):
        datasets.load_arrays("cifar10", replace(settings, datasets_dir=tmp_path))


def test_digits_come_without_any_folder_or_network(settings: Settings) -> None:
    found = datasets.load_arrays("digits", settings)
    assert found.x.shape == (1797, 8, 8, 1)
    assert (found.x.min(), found.x.max()) == (0, 255)
    assert np.bincount(found.y).min() > 170
    assert set(found.official.tolist()) == {""}


@pytest.mark.parametrize("name", [n for n, f in datasets.FACTS.items() if f.kind == "table"])
def test_tables_by_name_are_as_their_facts_say(name: str) -> None:
    facts = datasets.FACTS[name]
    table = datasets.load_table(name)
    schema = tables.infer(table)
    assert len(table.rows) == facts.rows
    assert (len(schema.columns),) == facts.shape
    assert schema.classes == facts.classes
    assert schema.target == "target"
    assert {column.kind for column in schema.columns} == {"number"}


def test_made_points_follow_the_seed() -> None:
    one, same, other = (datasets.load_table("moons", seed) for seed in (1, 1, 2))
    assert one.rows == same.rows
    assert one.rows != other.rows
    x = tables.infer(one).encode_table(one)
    circles = datasets.load_table("circles", 1)
    points = tables.infer(circles).encode_table(circles)
    radius = np.hypot(*points.T)
    inner = np.array([row[-1] == "inner" for row in circles.rows])
    assert abs(radius[inner].mean() - 0.5) < 0.03
    assert abs(radius[~inner].mean() - 1) < 0.03
    assert x[:, 0].max() > 1.5


@pytest.mark.parametrize(
    "load", [datasets.load_table, lambda n: datasets.load_arrays(n, Settings())]
)
def test_an_unknown_name_is_told_with_those_there_are(load: Any) -> None:
    with pytest.raises(NotFoundError, match="no data set 'mnits'"):
        load("mnits")


def test_mnist_itself(settings: Settings, shared_data: Path) -> None:
    found = datasets.load_arrays("mnist", replace(settings, datasets_dir=shared_data))
    assert found.x.shape == (70_000, 28, 28, 1)
    assert found.y[:5].tolist() == [5, 0, 4, 1, 9]
    assert np.bincount(found.y[60_000:]).tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]
    assert found.notes == ()


def test_mnist_from_a_mirror_that_packed_it_anew(
    settings: Settings, shared_data: Path, mirror: Mirror
) -> None:
    for path in (shared_data / "mnist").glob("*.gz"):
        mirror.files[f"/mnist/{path.name}"] = path.read_bytes()
    at = replace(settings, datasets_urls=(mirror.url,), allow_hosts=(mirror.host,))
    assert len(datasets.load_arrays("mnist", at).x) == 70_000


def test_the_last_data_set_is_kept_until_its_files_change(
    settings: Settings, tmp_path: Path
) -> None:
    folder = _folder(tmp_path)
    at = replace(settings, datasets_dir=folder)
    first = datasets.load_arrays("mnist", at)
    assert datasets.load_arrays("mnist", at) is first
    assert datasets.load_arrays("fashion_mnist", at).classes != first.classes
    labels = folder / "train-labels-idx1-ubyte"
    data = bytearray(labels.read_bytes())
    data[-1] = 7
    labels.write_bytes(bytes(data))
    assert datasets.load_arrays("mnist", at).y[29] == 7


def test_one_set_is_not_taken_for_the_other(
    settings: Settings, shared_data: Path, tmp_path: Path
) -> None:
    for path in (shared_data / "mnist").glob("*.gz"):
        (tmp_path / path.name).symlink_to(path)
    with pytest.raises(DataError, match="are those of mnist, not of fashion_mnist") as caught:
        datasets.load_arrays("fashion_mnist", replace(settings, datasets_dir=tmp_path))
    assert "'fashion_mnist'" in caught.value.do


def test_the_settings_say_where_data_sets_lie(tmp_path: Path) -> None:
    given = Settings.from_env(
        {
            "TELLAPART_HOME": str(tmp_path),
            "TELLAPART_DATASETS": str(tmp_path / "Sets"),
            "TELLAPART_DATASETS_URL": "https://a.example/Data/{name}, https://b.example/X",
            "TELLAPART_ALLOW_HOSTS": "LocalHost:80",
        }
    )
    assert given.datasets_dir == tmp_path / "Sets"
    assert given.datasets_urls == ("https://a.example/Data/{name}", "https://b.example/X")
    assert given.allow_hosts == ("localhost:80",)
    assert Settings.from_env({}).datasets_dir is None

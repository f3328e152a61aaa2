"""The zip runs by itself: numpy, Pillow and onnxruntime, and nothing else of ours or others'."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tellapart
from tellapart.bundle.standalone import MODULES, runtime_files

Run = Callable[..., subprocess.CompletedProcess[str]]
Draw = Callable[..., bytes]


def test_the_bare_environment_is_bare(bare: Run) -> None:
    for name in ("tellapart", "openvino", "sklearn", "pydantic", "sqlalchemy", "torch", "onnx"):
        found = bare("-c", f"import {name}")
        assert "ModuleNotFoundError" in found.stderr, name
    assert bare("-c", "import numpy, PIL, onnxruntime").returncode == 0


def test_predict(bare: Run, tiny_zip: Path, tmp_path: Path, draw: Draw) -> None:
    (tmp_path / "a.png").write_bytes(draw("red"))
    found = bare(tiny_zip, "predict", tmp_path / "a.png")
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith(f"{tmp_path / 'a.png'}: red 0.99")
    assert found.stderr == ""


def test_predict_json_with_a_bad_file_among_good_ones(
    bare: Run, tiny_zip: Path, tmp_path: Path, draw: Draw
) -> None:
    (tmp_path / "a.png").write_bytes(draw("red"))
    (tmp_path / "b.png").write_bytes(b"junk")
    (tmp_path / "c.png").write_bytes(draw("black"))
    files = [tmp_path / "a.png", tmp_path / "b.png", tmp_path / "c.png"]
    found = bare(tiny_zip, "predict", "--json", *files)
    assert found.returncode == 4
    lines = [json.loads(line) for line in found.stdout.splitlines()]
    assert [line.get("label") for line in lines] == ["red", None, None]
    assert lines[1]["error"]["code"] == "picture"
    assert lines[2]["abstained"] is True
    assert "do next" in found.stderr
    assert "none of these" in bare(tiny_zip, "predict", files[2]).stdout


def test_an_output_that_lacks_a_letter_shows_a_mark(
    bare: Run, tiny_zip: Path, tmp_path: Path, draw: Draw
) -> None:
    (tmp_path / "\u5b57.png").write_bytes(draw("red"))
    program = (
        "import runpy, sys; sys.stdout.reconfigure(encoding='ascii', errors='strict'); "
        "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    found = bare("-c", program, tiny_zip, "predict", tmp_path / "\u5b57.png")
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith(f"{tmp_path / '?.png'}: red 0.99")


def test_predict_from_standard_input(bare: Run, tiny_zip: Path, draw: Draw) -> None:
    found = bare(tiny_zip, "predict", "-", input=draw("blue"), text=False)
    assert found.stdout.startswith(b"-: blue")


def test_predict_why(bare: Run, tiny_zip: Path, tmp_path: Path, draw: Draw) -> None:
    (tmp_path / "a.png").write_bytes(draw("red"))
    out = tmp_path / "why.png"
    assert bare(tiny_zip, "predict", tmp_path / "a.png", "--why", out).returncode == 0
    assert Image.open(out).size == (40, 30)
    wrong = bare(tiny_zip, "predict", tmp_path / "a.png", "--why", tmp_path / "no" / "why.png")
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr


def test_verify(bare: Run, tiny_zip: Path, tmp_path: Path) -> None:
    found = bare(tiny_zip, "verify", "--json")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["golden"] == 2
    assert "is whole" in bare(tiny_zip, "verify").stdout
    data = bytearray(tiny_zip.read_bytes())
    at = data.index(b"\x89PNG") + 50
    data[at] ^= 1
    (tmp_path / "bad.zip").write_bytes(data)
    broken = bare(tmp_path / "bad.zip", "verify")
    assert broken.returncode == 8
    assert "SHA256SUMS" in broken.stderr
    assert "Traceback" not in broken.stderr


def test_the_unpacked_folder_runs_and_stays_whole(
    bare: Run, tiny_zip: Path, tmp_path: Path, unpack: Callable[[Path, Path], Path], draw: Draw
) -> None:
    folder = unpack(tiny_zip, tmp_path / "bundle")
    (tmp_path / "a.png").write_bytes(draw("red"))
    assert bare(folder, "predict", tmp_path / "a.png").returncode == 0
    assert bare(folder, "verify").returncode == 0
    assert bare(folder, "verify").returncode == 0


def test_its_own_modules_come_first_where_tellapart_is_installed(tiny_zip: Path) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(tiny_zip)!r}); import tellapart.bundle;"
        "print(tellapart.bundle.__file__)"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.stdout.startswith(str(tiny_zip))


def test_a_missing_library_is_named(tiny_zip: Path, tmp_path: Path, draw: Draw) -> None:
    (tmp_path / "a.png").write_bytes(draw("red"))
    numpy, pillow = Path(np.__file__).parent, Path(Image.__file__).parent
    place = tmp_path / "place"
    place.mkdir()
    for package in (numpy, pillow, numpy.parent / "numpy.libs", pillow.parent / "pillow.libs"):
        if package.exists():
            (place / package.name).symlink_to(package)
    for held in (True, False):
        found = subprocess.run(
            [sys.executable, "-s", "-S", str(tiny_zip), "predict", str(tmp_path / "a.png")],
            env={"PYTHONPATH": str(place) if held else ""},
            capture_output=True,
            text=True,
        )
        assert found.returncode == 9, found.stderr
        assert "onnxruntime" in found.stderr
        assert "pip install" in found.stderr
        assert "Traceback" not in found.stderr


def test_it_needs_a_command(bare: Run, tiny_zip: Path) -> None:
    assert bare(tiny_zip).returncode == 2
    assert "predict" in bare(tiny_zip, "--help").stdout


@pytest.mark.parametrize("name", MODULES)
def test_the_copied_modules_import_only_what_the_zip_has(name: str) -> None:
    source = (Path(tellapart.__file__).parent / name).read_text(encoding="utf-8")
    own = {"tellapart"} | {
        "tellapart." + module.removesuffix(".py").replace("/__init__", "").replace("/", ".")
        for module in MODULES
    }
    allowed = set(sys.stdlib_module_names) - {"pickle", "marshal", "shelve"}
    allowed |= {"numpy", "PIL", "onnxruntime", "openvino", "tellapart"}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names = [str(node.module)]
            if node.module == "tellapart":
                names = [f"tellapart.{alias.name}" for alias in node.names]
        else:
            continue
        for imported in names:
            assert imported.split(".")[0] in allowed, imported
            if imported.startswith("tellapart"):
                assert imported in own, imported


def test_every_copied_file_is_source_text() -> None:
    for name, data in runtime_files().items():
        assert name.endswith((".py", ".txt"))
        if name.endswith(".py"):
            compile(data, name, "exec")
        assert b"\r" not in data


def test_the_license_goes_with_the_program() -> None:
    ours = Path(__file__).parents[2] / "LICENSE"
    assert runtime_files()["tellapart/LICENSE.txt"] == ours.read_bytes()

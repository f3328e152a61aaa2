"""The whole chain by its verbs, on pictures the project draws: every result in both forms."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tellapart.cli import main
from tellapart.demo.drawing import draw, write_folder

WORDS = ["apple", "car", "fish"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("pictures") / "drawn", WORDS, 24)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> dict[str, Any]:
    """One real command in a process of its own; the other tests go on from its home."""
    folder = tmp_path_factory.mktemp("made")
    home, out = folder / "home", folder / "out"
    out.mkdir()
    result = subprocess.run(
        [sys.executable, "-m", "tellapart", "train", str(pictures), "--out", str(out), "--json"],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "TELLAPART_HOME": str(home)},
    )
    assert result.returncode == 0, result.stderr
    return {"home": home, "out": out, "result": result, "shape": json.loads(_last(result.stdout))}


@pytest.fixture
def project(made: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the project made above, its home set."""
    monkeypatch.setenv("TELLAPART_HOME", str(made["home"]))
    name: str = made["shape"]["name"]
    return name


def _last(text: str) -> str:
    return text.splitlines()[-1]


def ask(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> Any:
    """Run with --json; its last line."""
    capsys.readouterr()
    found = main([*argv, "--json"])
    out, err = capsys.readouterr()
    assert found == code, err
    return json.loads(_last(out))


def test_the_json_is_what_the_documents_say(made: dict[str, Any], pictures: Path) -> None:
    shape = made["shape"]
    assert set(shape) >= {"name", "version", "bundle", "pictures", "seconds", "metrics"}
    assert (shape["name"], shape["version"]) == ("drawn", 1)
    assert Path(shape["bundle"]).parent == made["out"]
    assert zipfile.is_zipfile(shape["bundle"])
    counts = shape["pictures"]
    assert counts["found"] == 72 == counts["kept"] + counts["set_aside"]
    assert shape["seconds"]["total"] > 0 and set(shape["seconds"]) > {"collect", "train"}
    metrics = shape["metrics"]
    assert metrics["low"] <= metrics["accuracy"] <= metrics["high"]
    assert metrics["n"] > 0 and 0 < metrics["baseline"] < 0.7
    assert metrics["accuracy"] > 0.8


def test_progress_goes_to_standard_error_step_by_step(made: dict[str, Any]) -> None:
    result = made["result"]
    assert len(result.stdout.splitlines()) == 1
    lines = result.stderr.splitlines()
    ended = [line.split(":")[0] for line in lines if " done in " in line or ": done in" in line]
    assert ended == ["collect", "curate", "split", "train", "evaluate", "compile", "package"]


def test_the_same_command_again_gives_the_same_bundle(
    made: dict[str, Any], project: str, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = ask(capsys, "train", str(pictures))
    assert again["version"] == 1
    assert Path(again["bundle"]).read_bytes() == Path(made["shape"]["bundle"]).read_bytes()
    assert main(["train", str(pictures), "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == (f"{again['bundle']}\n", "")
    assert main(["package", project]) == 0
    text = capsys.readouterr().out
    assert "accuracy: " in text and "95 % interval" in text and again["bundle"] in text
    said = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    assert "<!doctype html>" in Path(said["report"]).read_text(encoding="utf-8")
    assert said["next"] == f"tellapart predict {project} PICTURE"
    assert main(["show", project]) == 0
    shown = capsys.readouterr().out
    assert said["report"] in shown and again["bundle"] in shown


def test_predicting_files_folders_and_standard_input(
    made: dict[str, Any],
    project: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for word in WORDS:
        draw(word, 999_999).save(tmp_path / f"{word}.png")
    (tmp_path / "notes.txt").write_text("not a picture")
    found = ask(capsys, "predict", project, str(tmp_path))["predictions"]
    assert [Path(item["picture"]).stem for item in found] == sorted(WORDS)
    assert sum(item["best"] == Path(item["picture"]).stem for item in found) >= 2
    assert abs(sum(found[0]["probabilities"].values()) - 1) < 1e-3

    class Input:
        buffer = io.BytesIO((tmp_path / "fish.png").read_bytes())

    monkeypatch.setattr(sys, "stdin", Input())
    piped = ask(capsys, "predict", project, "-")["predictions"][0]
    same = next(item for item in found if item["picture"].endswith("fish.png"))
    assert piped["probabilities"] == pytest.approx(same["probabilities"], abs=1e-3)
    assert main(["predict", project, str(tmp_path / "car.png")]) == 0
    text = capsys.readouterr().out
    assert "car" in text and "%" in text and "familiarity" in text
    least = json.loads(zipfile.ZipFile(made["shape"]["bundle"]).read("manifest.json"))
    assert f"(below {least['thresholds']['familiarity']:.2f}: none of these)" in text


def test_an_unusable_picture_fails_alone(
    project: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad, none = tmp_path / "good.png", tmp_path / "bad.jpg", tmp_path / "none.jpg"
    draw("fish", 5).save(good)
    bad.write_bytes(b"<html>no picture</html>")
    shape = ask(capsys, "predict", project, str(bad), str(good), str(none), code=4)
    first, second, third = shape["predictions"]
    assert first["error"]["code"] == "picture" and third["error"]["code"] == "not_found"
    assert second["best"] in WORDS
    alone = ask(capsys, "predict", project, str(bad), code=4)
    assert alone["error"]["code"] == "picture"
    assert ask(capsys, "predict", project, str(none), code=3)["error"]["code"] == "not_found"


@pytest.fixture
def web() -> Iterator[str]:
    """A loopback server that gives one drawn picture."""
    data = io.BytesIO()
    draw("fish", 7).save(data, "JPEG")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/fish.jpg"
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(data.getvalue()) if found else 0))
            self.end_headers()
            if found:
                self.wfile.write(data.getvalue())

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_an_address_is_fetched_through_the_guard(
    project: str, web: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"http://{web}/fish.jpg"
    assert ask(capsys, "predict", project, url, code=6)["error"]["code"] == "refused"
    monkeypatch.setenv("TELLAPART_ALLOW_HOSTS", web)
    assert ask(capsys, "predict", project, url)["predictions"][0]["best"] in WORDS
    assert ask(capsys, "predict", project, f"http://{web}/no.jpg", code=5)["error"]["what"]


def test_why_writes_the_lit_picture(
    project: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, out = tmp_path / "fish.png", tmp_path / "why.png"
    draw("fish", 5).save(picture)
    shape = ask(capsys, "predict", project, str(picture), "--why", str(out))
    assert shape["predictions"][0]["why"] == str(out)
    assert shape["predictions"][0]["map_kind"] == "cam"
    answered = shape["predictions"][0]
    now = answered["probabilities"][answered["best"]]
    spoken = [*answered["for"], *answered["against"]]
    assert spoken or answered["notes"] or now > 0.9999
    for one in answered["for"]:
        assert one["without"] < now + 1e-3 and one["class"] in WORDS
    for one in answered["against"]:
        assert one["without"] > now - 1e-3
    with Image.open(out) as lit, Image.open(picture) as plain:
        assert lit.size == plain.size
        assert lit.tobytes() != plain.convert("RGB").tobytes()
    two = [str(picture), str(picture)]
    assert (
        "one picture"
        in ask(capsys, "predict", project, *two, "--why", str(out), code=2)["error"]["expected"]
    )
    ask(capsys, "predict", project, str(picture), "--why", str(tmp_path / "why.xyz"), code=2)
    ask(capsys, "predict", project, str(picture), "--why", str(tmp_path / "no" / "w.png"), code=7)


def test_verifying_and_exporting(
    made: dict[str, Any], project: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = made["shape"]["bundle"]
    report = ask(capsys, "verify", bundle)
    assert report["name"] == project and report["golden"] > 0
    model = tmp_path / "model.onnx"
    shape = ask(capsys, "export", project, "--format", "onnx", "--out", str(model))
    assert Path(shape["path"]) == model and model.stat().st_size > 1_000_000
    # Nobody said under which licence the folder's pictures are: they are not in the bundle.
    withheld = ask(capsys, "export", bundle, "--format", "dataset", "--out", "set", code=4)
    assert "withheld" in withheld["error"]["do"]
    wrong = ask(capsys, "export", bundle, "--format", "onxx", code=2)
    assert "'onnx'" in wrong["error"]["what"]
    broken = tmp_path / "broken.zip"
    data = bytearray(Path(bundle).read_bytes())
    data[len(data) // 2] ^= 1
    broken.write_bytes(data)
    assert ask(capsys, "verify", str(broken), code=8)["error"]["code"] == "verification"


def test_overruling_and_relabelling_make_a_new_version(
    made: dict[str, Any],
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = tmp_path / "home"
    # By another process: who opens and closes SQLite's file by himself takes away the locks of
    # the connections that are open in his own, and the next process that writes damages it.
    subprocess.run(["cp", "-R", str(made["home"]), str(home)], check=True)
    monkeypatch.setenv("TELLAPART_HOME", str(home))
    name = made["shape"]["name"]
    rows = [row for row in ask(capsys, "show", name, "--pictures") if row["kept"]]
    dropped, moved = rows[0], rows[1]
    shape = ask(capsys, "curate", name, "--drop", dropped["id"][:12], "--min-side", "40")
    assert shape["step"] == "curate" and shape["bundle"] is None
    assert shape["pictures"]["reasons"]["by_hand"] == 1
    after = {row["id"]: row for row in ask(capsys, "show", name, "--pictures")}
    assert after[dropped["id"]]["kept"] is False and after[dropped["id"]]["reason"] == "by_hand"
    assert ask(capsys, "show", name)["recipe"]["curate"]["min_side"] == 40
    assert main(["curate", name, "--drop", rows[2]["id"]]) == 0
    said = capsys.readouterr()
    kept = shape["pictures"]["kept"]
    assert f"kept: {kept} before, {kept - 1} now" in said.err
    assert f"next: tellapart package {name}\n" in said.out
    ask(capsys, "relabel", name, moved["id"], "fish")
    for step in ("split", "train", "evaluate", "compile"):
        assert ask(capsys, step, name)["step"] == step
    packed = ask(capsys, "package", name)
    assert packed["version"] == 2 and Path(packed["bundle"]).is_file()
    ask(capsys, "curate", name, "--undo", dropped["id"])
    after = {row["id"]: row for row in ask(capsys, "show", name, "--pictures")}
    assert after[dropped["id"]]["kept"] is True


def test_a_recipe_file_runs_the_same_chain(
    project: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_folder(tmp_path / "few", WORDS[:2], 8)
    recipe = tmp_path / "drawn.yaml"
    recipe.write_text("data: few\nname: by-recipe\nseed: 1\n")
    shape = ask(capsys, "run", str(recipe), "--set", "curate.min_side=33")
    assert shape["name"] == "by-recipe" and shape["version"] == 1
    stored = ask(capsys, "show", "by-recipe")["recipe"]
    assert (stored["seed"], stored["curate"]["min_side"]) == (1, 33)


def test_a_name_that_is_taken_by_other_pictures(
    project: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_folder(tmp_path / "other", WORDS[:2], 3)
    error = ask(capsys, "train", str(other), "--name", project, code=2)["error"]
    assert repr(project) in error["what"] and "--name" in error["do"]


@pytest.mark.parametrize(
    ("make", "code", "says"),
    [
        (lambda at: at.mkdir(), 2, "no class folders"),
        (lambda at: write_folder(at, WORDS[:1], 4), 4, "class"),
        (lambda at: (write_folder(at, WORDS[:2], 4) / "leaf").mkdir(), 4, "'leaf'"),
        (lambda at: at.write_text("nothing,of\nthe,kind\n"), 2, ""),
    ],
    ids=["no class", "one class", "empty class", "no list"],
)
def test_data_that_allow_no_training(
    make: Any,
    code: int,
    says: str,
    home: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make(tmp_path / "data")
    error = ask(capsys, "train", str(tmp_path / "data"), code=code)["error"]
    assert says in error["what"]
    assert error["expected"] and error["do"]


def test_links_that_lead_out_of_the_data_are_named(
    home: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "linked"
    data.mkdir()
    for folder in pictures.iterdir():
        (data / folder.name).symlink_to(folder)
    error = ask(capsys, "train", str(data), code=4)["error"]
    assert "link_outside" in error["what"]
    assert "link" in error["do"] and "queries" not in error["do"]


def test_a_wrong_path_makes_no_project(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "program.py").write_text("print('no list')")
    error = ask(capsys, "train", str(tmp_path / "program.py"), code=2)["error"]
    assert "no labelled folder or list" in error["what"]
    assert ask(capsys, "list")["projects"] == []


def test_a_place_that_cannot_be_written_is_said_before_the_work(
    home: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    out = tmp_path / "file" / "bundle.zip"
    error = ask(capsys, "train", str(pictures), "--out", str(out), code=2)["error"]
    assert "--out" in error["do"]
    assert ask(capsys, "list")["projects"][0]["version"] is None


def test_ctrl_c_leaves_a_state_that_the_same_command_goes_on_from(tmp_path: Path) -> None:
    pictures = write_folder(tmp_path / "few", WORDS[:2], 10)
    argv = [sys.executable, "-m", "tellapart", "train", str(pictures), "--json"]
    env = {**os.environ, "TELLAPART_HOME": str(tmp_path / "home")}
    process = subprocess.Popen(
        argv, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stderr is not None and process.stdout is not None
    for line in process.stderr:
        if line.startswith("collect: "):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Run the same command again" in err
    assert json.loads(_last(out))["error"]["code"] == "interrupted"
    again = subprocess.run(argv, env=env, text=True, capture_output=True, timeout=300)
    assert again.returncode == 0, again.stderr
    assert json.loads(_last(again.stdout))["version"] == 1

"""The earlier programs' routes: their inputs and outputs as then, their faults mended."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tellapart.bundle.manifest import sums_text
from tellapart.errors import InputError
from tellapart.rest.old_picaisso import read_words
from tellapart.runtime.child import packed
from tellapart.settings import Settings
from tests.rest_transfer.conftest import FROZEN, House, add_model, house

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"
SPEC = json.loads((EXAMPLES / "mnist_cnn.json").read_text())


def _run(http: httpx.Client, reply: httpx.Response) -> dict[str, object]:
    found: dict[str, object] = http.get(f"/api/v1/runs/{reply.headers['x-run']}").json()
    return found


def test_a_spec_is_checked_before_it_is_accepted(alone: House) -> None:
    wrong = {**SPEC, "model": {**SPEC["model"], "optimizer": "adadleta"}}
    reply = alone.http.post("/make-model", json=wrong)
    assert reply.status_code == 422
    (problem,) = reply.json()["error"]["problems"]
    assert problem["path"] == "model.optimizer" and "adadelta" in problem["do"]
    words = alone.http.post("/make-model", json={"classes": ["a", "b"]})
    assert words.status_code == 422 and "no network" in words.json()["error"]["what"]
    for body in (b"", b"\xff\xfe", b"[1]", b"{"):
        assert alone.http.post("/make-model", content=body).status_code in (400, 422)
    assert alone.http.get("/check-model?model_name=simple CNN").status_code == 404


def test_a_model_goes_by_its_name(alone: House) -> None:
    reply = alone.http.post("/make-model", json=SPEC)
    assert (reply.status_code, reply.text) == (200, "Request received")
    assert _run(alone.http, reply)["project"] == "simple-cnn"
    checked = alone.http.get("/check-model", params={"model_name": "simple CNN"}).json()
    assert checked == {
        "ready": False,
        "progress": False,
        "progress_info": {"loss": None, "acc": None, "epoch": 0, "total_epochs": None},
        "state": "queued",
    }
    assert alone.http.get("/get-model?model_name=simple CNN").status_code == 404
    # Another name that would share its folder is another model.
    other = {**SPEC, "model": {**SPEC["model"], "model_name": "simple: CNN"}}
    assert _run(alone.http, alone.http.post("/make-model", json=other))["project"] == "simple-cnn-2"
    again = alone.http.post("/make-model", json=SPEC)
    assert _run(alone.http, again)["project"] == "simple-cnn"
    listed = {one["model_name"]: one for one in alone.http.get("/get-all").json()}
    assert {"simple CNN", "simple: CNN"} <= set(listed)
    assert listed["simple CNN"]["ready"] is False
    stopped = alone.http.get("/stop-model", params={"model_name": "simple: CNN"}).json()
    assert stopped["stopped"] is True
    other_site = {"Sec-Fetch-Site": "cross-site"}
    tried = alone.http.get("/stop-model?model_name=simple CNN", headers=other_site)
    assert tried.status_code == 403
    assert alone.http.get("/stop-model?model_name=unheard of").status_code == 404


def test_a_model_of_the_command_line_is_sent_too(alone: House, tmp_path: Path) -> None:
    bundle, model = tmp_path / "made-1.zip", os.urandom(300_000)
    with zipfile.ZipFile(bundle, "w") as archive:
        archive.writestr("coreml/My-net.mlmodel", model)
        archive.writestr("SHA256SUMS", sums_text({"coreml/My-net.mlmodel": "ab" * 32}))
    recipe = {
        "name": "made",
        "title": "My: net",
        "data": "iris",
        "input": [4],
        "layers": [{"dense": {"units": 3, "activation": "softmax"}}],
    }
    add_model(alone.settings, "", recipe, bundle)
    name = {"model_name": "My: net"}
    assert alone.http.get("/check-model", params=name).json()["ready"] is True
    got = alone.http.get("/get-model", params=name)
    assert got.content == model and got.headers["repr-digest"].startswith("sha-256=:q6urq")
    assert 'filename="My- net-' in got.headers["content-disposition"]
    part = alone.http.get("/get-model", params=name, headers={"Range": "bytes=299990-"})
    assert (part.status_code, part.content) == (206, model[299990:])


def test_the_older_app_is_greeted_and_browsers_get_pages(alone: House) -> None:
    plain = alone.http.get("/", headers={"Accept": "application/json"})
    assert plain.status_code == 200 and "make-model" in plain.text
    assert "make-model" not in alone.http.get("/", headers={"Accept": "text/html,*/*"}).text


def test_words_become_a_run(alone: House) -> None:
    asked = {"q2": "boat", "q1": "apple", "q10": "star", "email": "", "url": "data:,"}
    for path in ("/picaisso/", "/picassio", "/picaisso"):
        reply = alone.http.post(path, json={**asked, "url": ""})
        assert reply.status_code == 200, reply.text
        assert reply.json()["classes"] == ["apple", "boat", "star"]
    run = alone.http.get(f"/api/v1/runs/{reply.json()['run']}").json()
    assert list(run["recipe"]["classes"]) == ["apple", "boat", "star"]
    form = alone.http.post("/picaisso/", data={"q1": "cat", "q2": "dog"})
    assert form.json()["classes"] == ["cat", "dog"]
    one = alone.http.post("/picaisso/", json={"q1": "apple"})
    assert one.status_code == 422 and "1 classes" in one.json()["error"]["what"]
    assert alone.http.post("/picaisso/", json={"q1": ["a"], "q2": "b"}).status_code == 422
    assert alone.http.post("/picaisso/", content=b"[[").status_code == 400


@pytest.mark.parametrize("text", ["\\ud800", "\\u0000", "../../x", "x" * 5000, "\\u202e", " "])
def test_hostile_words_and_names_are_no_fault_of_ours(alone: House, text: str) -> None:
    bodies = {
        "/picaisso/": f'{{"q1": "{text}", "q2": "b"}}',
        "/picaisso/?": f'{{"q1": "a", "q2": "b", "email": "{text}", "url": "{text}"}}',
        "/inference/?project=colors": f'{{"url": "{text}"}}',
        "/make-model": json.dumps(SPEC).replace("simple CNN", text),
        "/api/v1/projects/colors/predict": f'{{"url": "{text}"}}',
        f"/api/v1/uploads?name={quote(text[:50])}%00%ff": text,
    }
    for path, body in bodies.items():
        reply = alone.http.post(path, content=body.encode())
        assert reply.status_code < 500, f"{path} {reply.text}"
    for path in ("/check-model", "/get-model", "/stop-model"):
        reply = alone.http.get(f"{path}?model_name={quote(text)}%00%ff")
        assert 400 <= reply.status_code < 500


def test_every_other_key_is_a_class() -> None:
    given = {"q1": "a", "zebra": "z", "Q2": "b", "q3": " ", "email": "e@x", "url": None}
    assert read_words(given) == (["a", "b", "z"], "e@x", "")
    with pytest.raises(InputError):
        read_words({"q1": "a", "email": "b", "url": "c"})


def test_data_set_model_and_verdict(alone: House) -> None:
    picture = (
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4"
        "z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=="
    )
    reply = alone.http.post("/inference/?project=colors", json={"url": picture})
    assert reply.status_code == 200, reply.text
    said = reply.json()
    assert said["best"] == "red" and list(said["probabilities"])[said["class"]] == "red"
    plain = {"Accept": "text/plain"}
    alone_number = alone.http.post(
        "/inference?project=colors", json={"url": picture}, headers=plain
    )
    assert alone_number.text == str(said["class"])
    assert alone.http.post("/inference/?project=colors", json={}).status_code == 422
    model = alone.http.get("/picaisso/model?project=colors")
    assert model.content == (FROZEN / "colors-1.zip").read_bytes()
    assert alone.http.get("/picaisso/model").status_code == 404  # no run is done
    data = alone.http.get("/picaisso/dataset?project=colors")
    assert data.status_code in (200, 404)


@pytest.mark.slow
@pytest.mark.skipif(
    not all(map(find_spec, ("torch", "lightning", "coremltools"))), reason="needs [deep]"
)
def test_the_whole_way_of_a_spec(tmp_path: Path) -> None:
    spec = json.loads((EXAMPLES / "iris_spec.json").read_text())
    name = {"model_name": spec["model"]["model_name"]}
    with house(tmp_path, single_user=True) as alone, _worker(alone.settings):
        alone.http.post("/make-model", json=spec).raise_for_status()
        checked, until = {}, time.monotonic() + 300
        while not checked.get("ready") and time.monotonic() < until:
            time.sleep(0.5)
            checked = alone.http.get("/check-model", params=name).json()
            assert "error" not in checked, checked
        assert checked["ready"] is True and checked["state"] == "done"
        assert checked["progress_info"]["epoch"] == checked["progress_info"]["total_epochs"] == 1
        got = alone.http.get("/get-model", params=name)
        assert got.status_code == 200 and len(got.content) > 100
        (listed,) = alone.http.get("/get-all").json()
        assert listed["ready"] is True and 0 <= listed["test_acc"] <= 1


@contextlib.contextmanager
def _worker(settings: Settings) -> Iterator[None]:
    """A worker of this home, as `tellapart up` starts it."""
    command = [sys.executable, "-m", "tellapart.runtime.child"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(packed(settings))
    process.stdin.flush()
    try:
        yield
    finally:
        process.stdin.close()  # the worker ends with its parent
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("old"), single_user=True) as one:
        colors: dict[str, object] = {"name": "colors", "classes": ["blue", "green", "red"]}
        add_model(one.settings, "", colors, FROZEN / "colors-1.zip")
        yield one

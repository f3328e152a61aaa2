"""Weights from a hub-shaped server on loopback: redirected, checked, resumed; or not in reach."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

pytest.importorskip("timm", reason="the hub's addresses are timm's")
torch = pytest.importorskip("torch", reason="networks are exported by torch")

import timm  # noqa: E402
from safetensors.numpy import save  # noqa: E402

from tellapart.cli.entry import main  # noqa: E402
from tellapart.errors import FetchError, StorageError  # noqa: E402
from tellapart.learn import weights  # noqa: E402
from tellapart.learn.engine import Engine  # noqa: E402
from tellapart.learn.weights import files, hub  # noqa: E402
from tellapart.settings import Settings  # noqa: E402

NAME = "test_resnet"
CONFIG = timm.get_pretrained_cfg(NAME)
PLACE = f"/{CONFIG.hf_hub_id}/resolve/main/"


def _state() -> dict[str, np.ndarray]:
    torch.manual_seed(1)
    net = timm.create_model(NAME, pretrained=False)
    return {name: tensor.numpy() for name, tensor in net.state_dict().items()}


@dataclass
class Hub:
    """Two servers as at the real one: names on the first, files on the second."""

    data: bytes
    front: str = ""
    store: str = ""
    etag: str = ""
    #: Bytes after which the second server cuts its next answers off; None: never.
    cut: int | None = None
    ranges: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)


def _serve(handle: Any) -> tuple[ThreadingHTTPServer, str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            handle(self)

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"127.0.0.1:{server.server_port}"


def _answer(request: Any, status: int, body: bytes, **headers: str) -> None:
    request.send_response(status)
    for key, value in {"Content-Length": str(len(body)), **headers}.items():
        request.send_header(key.replace("_", "-"), value)
    request.end_headers()
    request.wfile.write(body)


@pytest.fixture
def served(settings: Settings) -> Iterator[tuple[Hub, Settings]]:
    state = Hub(save(_state()))
    state.etag = hashlib.sha256(state.data).hexdigest()

    def front(request: Any) -> None:
        state.asked.append(("front", request.path))
        if request.path == f"{PLACE}model.safetensors":
            _answer(
                request,
                302,
                b"",
                Location=f"http://{state.store}/files/1",
                X_Linked_Etag=f'"{state.etag}"',
                X_Linked_Size=str(len(state.data)),
            )
        elif request.path == f"{PLACE}README.md":
            _answer(request, 200, b"---\ntags:\n- x\nlicense: mit\n---\n# A network\n")
        else:
            _answer(request, 404, b"no such file")

    def store(request: Any) -> None:
        span = request.headers.get("Range", "")
        state.asked.append(("store", span))
        body, headers, status = state.data, {"ETag": '"another"'}, 200
        if span and state.ranges:
            first, last = (int(n) for n in span.removeprefix("bytes=").split("-"))
            body = state.data[first : last + 1]
            told = f"bytes {first}-{first + len(body) - 1}/{len(state.data)}"
            headers, status = {**headers, "Content-Range": told}, 206
        if state.cut is not None and span and first >= state.cut:
            request.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(body))}.items():
                request.send_header(key, value)
            request.end_headers()
            request.wfile.write(body[: len(body) // 2])
            request.close_connection = True
            return
        _answer(request, status, body, **headers)

    servers = [_serve(front), _serve(store)]
    state.front, state.store = servers[0][1], servers[1][1]
    yield (
        state,
        replace(settings, hub_url=f"http://{state.front}", allow_hosts=(state.front, state.store)),
    )
    for server, _ in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_PIECE", 500_000)


def test_a_network_comes_from_the_hub_once_and_is_told_of(
    served: tuple[Hub, Settings], small_pieces: None
) -> None:
    state, settings = served
    told: list[tuple[int, int]] = []
    found = weights.find(NAME, settings, watch=lambda *at: told.append(at))
    assert (found.source, found.license, found.sha256) == ("hub", CONFIG.license, state.etag)
    assert found.name == f"{NAME}.{CONFIG.tag}"
    assert found.parameters == sum(
        array.size for name, array in _state().items() if not name.endswith(files.STATISTICS)
    )
    assert found.path.read_bytes() == state.data
    assert told == sorted(told)
    assert told[-1] == (len(state.data), len(state.data))
    pieces = [span for who, span in state.asked if who == "store"]
    assert len(pieces) == -(-len(state.data) // 500_000)
    state.asked.clear()
    again = weights.find(NAME, settings)
    assert (again.source, again.path) == ("cache", found.path)
    assert not state.asked
    assert next(each.name for each in weights.available(settings)) == found.name
    assert not list(found.path.parent.glob(".*"))


def test_a_download_that_was_cut_off_goes_on_where_it_stopped(
    served: tuple[Hub, Settings], small_pieces: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, settings = served
    monkeypatch.setattr("tellapart.fetch.client.backoff", lambda *_: 0.0)
    state.cut = 800_000
    with pytest.raises(FetchError, match="not in reach") as caught:
        weights.find(NAME, settings)
    assert "TELLAPART_WEIGHTS" in caught.value.do
    assert not [each for each in weights.available(settings) if each.source == "cache"]
    state.cut = None
    state.asked.clear()
    assert weights.find(NAME, settings).path.read_bytes() == state.data
    spans = [span for who, span in state.asked if who == "store"]
    # The first piece tells whether the file is still the same; the others were not here.
    assert spans[:2] == ["bytes=0-499999", "bytes=1000000-1499999"]


def test_another_file_than_the_hub_says_is_not_kept(served: tuple[Hub, Settings]) -> None:
    state, settings = served
    state.etag = "0" * 64
    with pytest.raises(FetchError, match="SHA-256") as caught:
        weights.find(NAME, settings)
    assert caught.value.reason == "checksum"
    assert not list((settings.cache_dir / "weights").iterdir())


def test_a_file_that_changes_meanwhile_is_not_mixed(
    served: tuple[Hub, Settings], small_pieces: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, settings = served
    monkeypatch.setattr("tellapart.fetch.client.backoff", lambda *_: 0.0)
    state.cut = 400_000
    with pytest.raises(FetchError):
        weights.find(NAME, settings)
    state.cut = None
    state.data = save({name: np.asarray(array + 1) for name, array in _state().items()})
    state.etag = hashlib.sha256(state.data).hexdigest()
    assert weights.find(NAME, settings).path.read_bytes() == state.data


def test_a_server_that_knows_no_parts_gives_the_file_whole(served: tuple[Hub, Settings]) -> None:
    state, settings = served
    state.ranges = False
    assert weights.find(NAME, settings).sha256 == state.etag


def test_a_server_that_knows_no_parts_cannot_fill_the_memory(
    served: tuple[Hub, Settings], small_pieces: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, settings = served
    state.ranges = False
    monkeypatch.setattr(hub, "_WHOLE", len(state.data) - 1)
    with pytest.raises(FetchError, match="no parts") as caught:
        weights.find(NAME, settings)
    assert caught.value.reason == "too_large"
    monkeypatch.setattr(hub, "_WHOLE", len(state.data))
    assert weights.find(NAME, settings).sha256 == state.etag


@pytest.mark.parametrize("etag", ["", "0123456789abcdef"])
def test_what_the_hub_tells_no_hash_of_is_said_to_be_unchecked(
    served: tuple[Hub, Settings], capsys: pytest.CaptureFixture[str], etag: str
) -> None:
    state, settings = served
    assert weights.find(NAME, settings).note == ""
    for path in (settings.cache_dir / "weights").iterdir():
        path.unlink()
    state.etag = etag
    found = weights.find(NAME, settings)
    assert "told no SHA-256" in found.note
    assert found.sha256 in found.note
    assert weights.find(NAME, settings).note == found.note
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TELLAPART_HOME", str(settings.home))
        assert main(["weights", "get", NAME]) == 0
    assert found.note in capsys.readouterr().err


def test_weights_count_only_once_they_are_described(served: tuple[Hub, Settings]) -> None:
    _, settings = served
    folder = settings.cache_dir / "weights"
    beside = folder / f"{NAME}.{CONFIG.tag}.json"
    beside.mkdir(parents=True)  # what cannot be written stands for a kill before it was
    with pytest.raises(StorageError):
        weights.find(NAME, settings)
    assert not list(folder.glob("*.safetensors"))
    beside.rmdir()
    # Written beside and put in place whole: never through what lies there.
    elsewhere = settings.home / "elsewhere.json"
    beside.symlink_to(elsewhere)
    assert weights.find(NAME, settings).license == CONFIG.license
    assert not elsewhere.exists()
    assert not beside.is_symlink()


def test_a_hub_without_the_file_and_one_out_of_reach_are_told_apart(
    served: tuple[Hub, Settings],
) -> None:
    state, settings = served
    elsewhere = replace(settings, hub_url=f"http://{state.front}/elsewhere")
    with pytest.raises(FetchError, match="404") as caught:
        weights.find(NAME, elsewhere)
    assert "not in reach" not in caught.value.what
    # Nothing but the guard's list opens a private address, whatever the setting names.
    with pytest.raises(FetchError, match="not in reach"):
        weights.find(NAME, replace(settings, allow_hosts=()))


def test_a_license_that_timm_does_not_know_is_read_from_the_card(
    served: tuple[Hub, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, settings = served
    monkeypatch.setattr(CONFIG, "license", None)
    monkeypatch.setattr("timm.get_pretrained_cfg", lambda name: CONFIG)
    assert weights.find(NAME, settings).license == "mit"


def test_what_came_from_the_hub_is_a_backbone_for_ever(served: tuple[Hub, Settings]) -> None:
    state, settings = served
    net = weights.backbone(NAME, 64, settings)
    size = int(CONFIG.input_size[-1])
    assert (net.size, net.license, net.timm) == (64, CONFIG.license, f"{NAME}.{CONFIG.tag}")
    assert net.mean == pytest.approx(CONFIG.mean)
    batch = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    found = Engine(net.onnx, threads=1).run(batch, ("features",))["features"]
    own = timm.create_model(NAME, num_classes=0).eval()
    own.load_state_dict({name: torch.tensor(value) for name, value in net.timm_weights().items()})
    mean, std = (torch.tensor(each).reshape(3, 1, 1) for each in (CONFIG.mean, CONFIG.std))
    with torch.inference_mode():
        expected = own((torch.from_numpy(batch).permute(0, 3, 1, 2) / 255 - mean) / std).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert size != 64
    # Neither the hub nor the weights' file is asked any more.
    for path in (settings.cache_dir / "weights").iterdir():
        path.unlink()
    state.asked.clear()
    assert weights.backbone(NAME, 64, settings) == net
    assert not state.asked

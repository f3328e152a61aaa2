"""`tellapart compute` against a server that runs, and against servers that misbehave."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tellapart.bundle import Bundle
from tellapart.cli import compute, main
from tellapart.errors import InputError, TellapartError
from tellapart.serving import client

Draw = Callable[..., bytes]


@pytest.fixture(scope="module")
def server(start_server: Callable[..., Any], colors_bundle: Path) -> Any:
    return start_server(colors_bundle)


@pytest.fixture
def pictures(tmp_path: Path, draw: Draw) -> dict[str, str]:
    made = {}
    for color in ("red", "green", "blue"):
        (tmp_path / f"{color}.png").write_bytes(draw(color))
        made[color] = str(tmp_path / f"{color}.png")
    return made


@pytest.fixture
def asked(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, list[str], str]]:
    """Run the command: exit status, lines of output, complaints."""

    def run(*words: object) -> tuple[int, list[str], str]:
        capsys.readouterr()
        code = main(["compute", *map(str, words)])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err

    return run


class Scripted:
    """A server on a Unix socket that says the same to everybody, right or wrong."""

    def __init__(self, path: Path, answer: bytes | None, *, reads: bool = True) -> None:
        self.path = path
        self.answer = answer
        self.heard = b""
        self._reads = reads
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen(16)
        self._held: list[socket.socket] = []
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        # Closing alone does not wake a thread that waits in `accept`.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for one in self._held:
            one.close()

    def _run(self) -> None:
        while True:
            try:
                channel, _ = self._socket.accept()
            except OSError:
                return
            if self.answer is None:
                self._held.append(channel)
                continue
            with channel:
                if self._reads:
                    self.heard = self._request(channel)
                channel.sendall(self.answer)

    def _request(self, channel: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            data += channel.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        (length,) = (
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if b"Content-Length" in line
        )
        while len(body) < length:
            part = channel.recv(65536)
            body, data = body + part, data + part
        return data


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Callable[..., Scripted]]:
    running: list[Scripted] = []

    def start(answer: bytes | None, **how: bool) -> Scripted:
        running.append(Scripted(tmp_path / f"{len(running)}.sock", answer, **how))
        return running[-1]

    yield start
    for one in running:
        one.close()


def http(status: int, body: bytes, *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 %d X" % status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join([*lines, b"", body])


GOOD = http(200, b'{"label":"a","probabilities":{"a":0.664,"b":0.336}}')
CHUNKS = b'16\r\n{"probabilities":{"a":\r\n3;x=y\r\n1}}\r\n0\r\n\r\n'


def test_probabilities_in_the_order_of_the_labels(
    server: Any,
    pictures: dict[str, str],
    colors_bundle: Path,
    asked: Callable[..., tuple[int, list[str], str]],
) -> None:
    bundle = Bundle.load(colors_bundle, threads=1)
    for where in (["--socket", server.socket], ["--port", server.address[1]]):
        code, lines, err = asked(*pictures.values(), *where, "--digits=4")
        assert (code, err) == (0, "")
        for line, path in zip(lines, pictures.values(), strict=True):
            own = bundle.predict(path).probabilities
            assert line == ",".join(f"{own[label]:.4f}" for label in bundle.labels)
    assert asked(pictures["red"], "--socket", server.socket)[1] == ["0.00,0.00,1.00"]


def test_a_code_for_each_picture_that_gets_no_answer(
    server: Any,
    pictures: dict[str, str],
    tmp_path: Path,
    asked: Callable[..., tuple[int, list[str], str]],
) -> None:
    (tmp_path / "words.jpg").write_text('{"url": "http://127.0.0.1:1/x.jpg"}')
    (tmp_path / "cut.png").write_bytes(Path(pictures["red"]).read_bytes()[:60])
    (tmp_path / "empty.png").write_bytes(b"")
    names = ["none.png", "words.jpg", "cut.png", "empty.png", "."]
    paths = [str(tmp_path / name) for name in names]
    code, lines, err = asked(*paths, pictures["red"], "--socket", server.socket)
    assert code == 1
    assert lines == ["-2", "-3", "-3", "-3", "-3", "0.00,0.00,1.00"]
    assert err.count("error: ") == err.count("expected: ") == err.count("do next:  ") == 5
    assert "url" not in " ".join(server.log)


def test_a_code_where_no_server_or_no_such_model_answers(
    server: Any,
    pictures: dict[str, str],
    tmp_path: Path,
    asked: Callable[..., tuple[int, list[str], str]],
) -> None:
    red = pictures["red"]
    stale = tmp_path / "stale.sock"
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(stale))
    long = tmp_path / ("x" * 200)
    for where in (["--socket", tmp_path / "no.sock"], ["--socket", stale], ["--socket", long]):
        code, lines, err = asked(red, *where)
        assert (code, lines) == (1, ["-4"]) and "tellapart serve" in err
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert asked(red, "--port", port)[:2] == (1, ["-4"])
    assert asked(red, "--host", "no such host")[:2] == (1, ["-4"])
    code, lines, err = asked(red, "--socket", server.socket, "--model", "pears & more")
    assert (code, lines) == (1, ["-1"])
    assert "'pears & more'" in err and "'colors'" in err
    assert asked(red, "--socket", server.socket, "--model=colors")[0] == 0
    # A missing picture is missing whether a server is there or not.
    assert asked(tmp_path / "none.png", "--socket", stale)[1] == ["-2"]


def test_it_reads_standard_input_and_gives_up_in_time(
    server: Any, scripted: Callable[..., Scripted], tmp_path: Path, draw: Draw
) -> None:
    command = [sys.executable, "-m", "tellapart", "compute", "-"]
    done = subprocess.run(
        [*command, "--socket", str(server.socket)],
        input=draw("blue"),
        capture_output=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, b"1.00,0.00,0.00\n")
    silent = scripted(None)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # whoever opens it waits until somebody writes
    command = [*command[:-1], str(pipe), "/dev/null", "--timeout=0.2"]
    began = time.monotonic()
    done = subprocess.run([*command, "--socket", str(silent.path)], capture_output=True, timeout=60)
    assert time.monotonic() - began < 30
    assert (done.returncode, done.stdout) == (1, b"-1\n-3\n")
    assert b"within 0.2 seconds" in done.stderr


def test_a_server_that_never_answers(
    scripted: Callable[..., Scripted],
    pictures: dict[str, str],
    asked: Callable[..., tuple[int, list[str], str]],
) -> None:
    silent = scripted(None)
    code, lines, err = asked(pictures["red"], "--socket", silent.path, "--timeout", "0.2")
    assert (code, lines) == (1, ["-1"]) and "--timeout" in err


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (GOOD, "0.66,0.34"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
            "1.00",
        ),
        (b"HTTP/1.0 200 OK\r\n\r\n" + GOOD.partition(b"\r\n\r\n")[2], "0.66,0.34"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS[:-7],
            "-1",
        ),
        (b"", "-1"),
        (GOOD[:-9], "-1"),
        (GOOD[:30], "-1"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "-1"),
        (http(200, b"[]"), "-1"),
        (http(200, b'{"probabilities":{"a":"x"}}'), "-1"),
        (http(502, b"<html>"), "-1"),
        (http(503, b'{"error":{"code":"overloaded","what":"w","expected":"e","do":"d"}}'), "-1"),
        (http(422, b'{"error":{"code":"input","what":"w","expected":"e","do":"d"}}'), "-1"),
        (http(422, b'{"error":{"code":"picture","what":"w","expected":"e","do":"d"}}'), "-3"),
        (http(404, b'{"error":{"code":"not_found","what":"w","expected":"e","do":"d"}}'), "-1"),
        (http(500, b'{"error":{"code":"x","what":"\x1b[31m","expected":"e","do":"d"}}'), "-1"),
    ],
)
def test_whatever_a_server_says_there_is_one_line(
    answer: bytes,
    line: str,
    scripted: Callable[..., Scripted],
    pictures: dict[str, str],
    asked: Callable[..., tuple[int, list[str], str]],
) -> None:
    code, lines, err = asked(pictures["red"], "--socket", scripted(answer).path)
    assert lines == [line]
    assert code == (line.startswith("-")) and bool(err) == line.startswith("-")
    assert "\x1b" not in err


def test_a_refusal_is_heard_although_the_body_was_not_read(
    scripted: Callable[..., Scripted],
    tmp_path: Path,
    asked: Callable[..., tuple[int, list[str], str]],
) -> None:
    (tmp_path / "large.png").write_bytes(b"\x89PNG" * 2**21)
    error = b'{"error":{"code":"request","what":"Too large.","expected":"e","do":"d"}}'
    hasty = scripted(http(413, error), reads=False)
    code, lines, err = asked(tmp_path / "large.png", "--socket", hasty.path)
    assert (code, lines) == (1, ["-3"])
    assert "Too large." in err


def test_the_request(
    scripted: Callable[..., Scripted],
    pictures: dict[str, str],
    asked: Callable[..., tuple[int, list[str], str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TELLAPART_TOKEN", "hush")
    good = scripted(GOOD)
    assert asked(pictures["red"], "--socket", good.path, "--model", "é&x")[0] == 0
    head, _, body = good.heard.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /predict?model=%C3%A9%26%78 HTTP/1.1"
    assert b"Authorization: Bearer hush" in lines and b"Host: localhost" in lines
    assert body == Path(pictures["red"]).read_bytes()
    monkeypatch.setenv("TELLAPART_TOKEN", "a\r\nX: y")
    code, out, err = asked(pictures["red"], "--socket", good.path)
    assert (code, out) == (1, ["-1"]) and "line break" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--sokket", "x", "a"], "'--sokket'"),
        (["a", "--port"], "no value"),
        (["--port", "8080"], "No picture"),
        (["a", "--port", "70000"], "1 to 65535"),
        (["a", "--port", "1.5"], "1 to 65535"),
        (["a", "--port", "x"], "'x'"),
        (["a", "--timeout", "0"], "above 0"),
        (["a", "--timeout", "nan"], "above 0"),
        (["a", "--digits", "7"], "0 to 6"),
        (["a", "--socket", "s", "--host", "h"], "one server"),
    ],
)
def test_words_that_cannot_be_used(
    words: list[str], says: str, asked: Callable[..., tuple[int, list[str], str]]
) -> None:
    code, lines, err = asked(*words)
    assert (code, lines) == (1, ["-1"])
    assert says in err and "compute --help" in err


def test_words_that_can(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert compute.read(["a", "--", "--port", "b"]) == compute.Asked(
        ("a", "--port", "b"), client.Server(f"{tmp_path}/tellapart.sock")
    )
    assert compute.read(["--host=::1", "a"]).server == client.Server(host="::1", port=8080)
    assert str(client.Server(host="::1")) == "[::1]:8080"
    assert compute.read(["a", "--port", "9"]).server == client.Server(host="127.0.0.1", port=9)


@given(st.lists(st.one_of(st.text(), st.sampled_from([*compute.OPTIONS, "--", "-", "=", "1"]))))
def test_any_words_are_understood_or_refused(words: list[str]) -> None:
    try:
        found = compute.read(words)
    except InputError:
        return
    assert found.paths and found.timeout > 0


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=60).map(lambda body: http(200, body)),
        st.binary(max_size=60).map(
            lambda body: b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n" + body
        ),
        st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)).map(
            lambda at: GOOD[: at[0]] + bytes([at[1]]) + GOOD[at[0] + 1 :]
        ),
    )
)
def test_any_bytes_of_a_server_are_an_answer_or_an_error(answers: Scripted, answer: bytes) -> None:
    answers.answer = answer
    try:
        found = client.ask(b"picture", client.Server(str(answers.path)))
    except TellapartError as error:
        assert error.what and error.expected and error.do
    else:
        assert all(isinstance(one, float) for one in found)


@pytest.fixture
def answers(scripted: Callable[..., Scripted]) -> Scripted:
    return scripted(b"")


def test_nothing_heavy_is_imported(server: Any, pictures: dict[str, str]) -> None:
    """What it may take from the start of its process is a tenth of a second."""
    code = (
        "import sys; from tellapart.__main__ import main\n"
        "try: main()\n"
        "except SystemExit as end: print(end.code, *sys.modules)"
    )
    words = ["compute", pictures["red"], "--socket", str(server.socket)]
    # Without `site`, so that modules that the environment brings are not counted as ours.
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, *words],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(client.__file__).parents[2])},
    )
    answer, line = done.stdout.splitlines()
    assert answer == "0.00,0.00,1.00"
    status, *modules = line.split()
    assert status == "0"
    heavy = {"argparse", "dataclasses", "http.client", "inspect", "pathlib", "ssl", "urllib.parse"}
    assert not heavy & set(modules)
    ours = {name for name in modules if name.startswith("tellapart.")}
    assert ours == {
        "tellapart.__main__",
        "tellapart.cli",
        "tellapart.cli.compute",
        "tellapart.cli.entry",
        "tellapart.errors",
        "tellapart.serving",
        "tellapart.serving.client",
    }
    assert not {name.split(".")[0] for name in modules} & {"click", "numpy", "rich", "typer"}


def test_help_is_typers_and_names_the_same_options(
    asked: Callable[..., tuple[int, list[str], str]],
) -> None:
    import inspect

    from tellapart.cli import service

    code, lines, _ = asked("--help")
    assert code == 0 and any("-2" in line for line in lines)
    parameters = inspect.signature(service.compute).parameters
    assert [f"--{name}" for name in parameters if name != "paths"] == list(compute.OPTIONS)


def test_output_that_cannot_take_a_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(["compute", "pömme.png", "--socket", "/none"]) == 1
    terminal.seek(0)
    assert "p?mme.png" in terminal.read()


def test_where_the_socket_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert client.default_socket() == f"{tmp_path}/tellapart.sock"
    monkeypatch.setattr(client, "_SHARED", str(tmp_path))
    own = tmp_path / f"tellapart-{os.getuid()}"
    for absent in (str(tmp_path / "none"), "relative", ""):
        monkeypatch.setenv("XDG_RUNTIME_DIR", absent)
        assert client.default_socket() == f"{own}/tellapart.sock"
        assert not own.exists()
    assert client.default_socket(make=True) == f"{own}/tellapart.sock"
    assert own.stat().st_mode & 0o777 == 0o700
    assert client.default_socket(make=True) == client.default_socket()
    own.chmod(0o755)
    with pytest.raises(InputError, match="not private"):
        client.default_socket()
    own.rmdir()
    own.symlink_to(tmp_path)
    with pytest.raises(InputError, match="not private"):
        client.default_socket(make=True)

"""`--server URL`: the same verbs, queued at a server by its REST instead of walked here."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import tempfile
import time
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tellapart.cli.console import emit, tell, write
from tellapart.errors import (
    FetchError,
    InputError,
    Interrupted,
    PolicyError,
    RecipeError,
    TellapartError,
)
from tellapart.serving.wire import error_from

if TYPE_CHECKING:
    import httpx

#: Seconds for an answer to begin, and how often what did not arrive is asked again.
_PATIENCE_S, _TRIES = 60.0, 5


@dataclass(frozen=True)
class Wanted:
    """Where a verb is to be carried out, and what the command line is told of it."""

    server: str
    follow: bool = False
    out: Path | None = None
    quiet: bool = False
    json: bool = False


def carry_out(wanted: Wanted, recipe: Mapping[str, Any] | str, data: Path | None = None) -> None:
    """Queue a run of `recipe` (a text: as it stands in its file); follow it where that is asked.

    `data`: a folder or file that is brought along first. Raises what the server says, and what the
    followed run ends with.
    """
    if wanted.out is not None and not wanted.follow:
        raise InputError(
            f"--out {str(wanted.out)!r} is given, and nobody waits for the bundle.",
            expected="--follow beside --server and --out",
            do="Add --follow, or leave --out away and fetch the bundle from the server's page.",
        )
    with Server(wanted.server) as server:
        given: dict[str, Any] = {"recipe": recipe}
        if data is not None and not isinstance(recipe, str):
            given["recipe"] = {**recipe, "data": server.bring(data)}
        run = server.ask(given)
        page = f"{server.url}/runs/{run['id']}"
        if not wanted.follow:
            if wanted.json:
                emit(run)
            else:
                write(run["id"] if wanted.quiet else f"{run['id']} is queued: {page}")
            return
        try:
            run = server.watch(run["id"], quiet=wanted.quiet or wanted.json)
        except KeyboardInterrupt:
            raise Interrupted(
                f"Nobody watches the run {run['id']} any more.",
                expected="to be watched until its end",
                do=f"It goes on; look at it at {page}",
            ) from None
        bundle = server.fetch(run, wanted.out) if wanted.out is not None else None
    _show(run, bundle, page, wanted)


def _show(run: dict[str, Any], bundle: Path | None, page: str, wanted: Wanted) -> None:
    if wanted.json:
        emit({**run, **({} if bundle is None else {"file": str(bundle)})})
        return
    where = str(bundle or page)
    if wanted.quiet:
        write(where)
        return
    result = run["result"] or {}
    accuracy = result.get("metrics", {}).get("accuracy")
    said = "" if accuracy is None else f": accuracy {accuracy:.3f} on untouched test data"
    write(f"{run['project']}, version {result.get('version')}{said}")
    for note in result.get("notes", ()):
        write(f"note: {note}")
    write(f"{'bundle' if bundle else 'page'}: {where}")


class Server:
    """A server's REST. A `with` block. The token is TELLAPART_TOKEN."""

    def __init__(self, url: str) -> None:
        import httpx

        from tellapart.settings import Settings

        if not url.startswith(("http://", "https://")):
            raise InputError(
                f"--server is {url!r}.",
                expected="an address such as https://tell.example.org",
                do="Write it with http:// or https://.",
            )
        self.url = url.rstrip("/")
        token = Settings.from_env().token
        self._http = httpx.Client(
            base_url=f"{self.url}/api/v1/",
            headers={"authorization": f"Bearer {token}"} if token else {},
            timeout=_PATIENCE_S,
        )

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def ask(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Queue a run, once however often the request has to be sent."""
        key = {"idempotency-key": str(uuid.uuid4())}
        return self._json("POST", "runs", json=dict(given), headers=key)

    def call(self, method: str, path: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """One request below /api/v1: values as a query of GET, else as a body.

        What makes or changes something is done once, however often it has to be sent.
        """
        if method == "GET":
            query = {key: _word(value) for key, value in values.items()}
            return self._json(method, path, params=query)
        key = {"idempotency-key": str(uuid.uuid4())}
        body = dict(values) if values else None
        return self._json(method, path, headers=key, json=body)

    def content(self, path: str) -> tuple[bytes, str]:
        """What lies at an address below /api/v1, and its media type."""
        import httpx

        try:
            answer = self._http.get(path)
        except httpx.TransportError as error:
            raise _unreachable(self.url, error) from error
        if answer.is_error:
            raise _refused(answer)
        return answer.content, answer.headers.get("content-type", "").partition(";")[0]

    def bring(self, data: Path) -> str:
        """Upload a folder (as a zip) or a file; what to write into a recipe as `data`."""
        with contextlib.ExitStack() as stack:
            file = data
            if data.is_dir():
                folder = stack.enter_context(tempfile.TemporaryDirectory())
                file = _zipped(data, Path(folder) / f"{data.name or 'data'}.zip")
            body = stack.enter_context(file.open("rb"))
            made = self._json("POST", "uploads", params={"name": file.name}, content=body, tries=1)
        if not made.get("data"):
            raise InputError(
                f"{str(data)!r} is a {made.get('kind')} to the server.",
                expected="a folder with one sub-folder a class, or a table",
                do="Check the path.",
            )
        return str(made["data"])

    def watch(self, id: str, *, quiet: bool) -> dict[str, Any]:
        """Show a run until it ends, over lost connections too; raises what it ended with."""
        from tellapart.cli.following import Follower

        after, run = 0, self._json("GET", f"runs/{id}")
        with Follower(quiet) as follower:
            while True:
                for event in self._events(id, after):
                    after = event["seq"]
                    follower.take(event)
                run = self._json("GET", f"runs/{id}")
                if run["state"] not in ("queued", "running"):
                    break
                time.sleep(1.0)
        follower.conclude(run)
        return run

    def _events(self, id: str, after: int) -> Iterator[dict[str, Any]]:
        """A run's events until the stream ends, or breaks off."""
        import httpx

        accept = {"accept": "text/event-stream"}
        try:
            with self._http.stream(
                "GET", f"runs/{id}/events", params={"after": after}, headers=accept
            ) as answer:
                if answer.is_error:
                    answer.read()
                    raise _refused(answer)
                kind = ""
                for line in answer.iter_lines():
                    name, _, value = line.partition(": ")
                    if name == "event":
                        kind = value
                    elif name == "data" and kind != "end":
                        event = json.loads(value)
                        if "seq" in event:
                            yield event
        except httpx.TransportError:
            return  # asked again from where it broke off

    def fetch(self, run: Mapping[str, Any], out: Path) -> Path:
        """The run's bundle, whole: compared with the server's SHA-256. Raises `FetchError`."""
        import httpx

        version = (run["result"] or {}).get("version")
        name = f"{run['project']}-{version}.zip"
        target = out / name if out.is_dir() else out
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.partial")
        path = f"projects/{run['project']}/versions/{version}/files/bundle"
        found = hashlib.sha256()
        try:
            with self._http.stream("GET", path) as answer, partial.open("wb") as file:
                if answer.is_error:
                    answer.read()
                    raise _refused(answer)
                for piece in answer.iter_bytes():
                    found.update(piece)
                    file.write(piece)
                wanted = answer.headers.get("repr-digest", "")
        except httpx.TransportError as error:
            partial.unlink(missing_ok=True)
            raise _unreachable(self.url, error) from error
        sum = base64.b64encode(found.digest()).decode()
        if wanted and wanted != f"sha-256=:{sum}:":
            partial.unlink(missing_ok=True)
            raise FetchError(
                "The bundle arrived damaged.",
                expected="the bytes whose SHA-256 the server names",
                do="Run the same command again.",
                reason="damaged",
            )
        partial.replace(target)
        return target

    def _json(self, method: str, path: str, *, tries: int = _TRIES, **more: Any) -> dict[str, Any]:
        import httpx

        for left in range(tries - 1, -1, -1):
            try:
                answer = self._http.request(method, path, **more)
            except httpx.TransportError as error:
                if not left:
                    raise _unreachable(self.url, error) from error
                tell(f"{self.url} does not answer; asked again")
                time.sleep(1.0)
                continue
            if answer.is_error:
                raise _refused(answer)
            found: dict[str, Any] = answer.json() if answer.content else {}
            return found
        raise AssertionError  # never: the last turn returns or raises


def _word(value: Any) -> Any:
    """A value in a query: truth values as the server reads them."""
    return str(value).lower() if isinstance(value, bool) else value


def text_of(recipe: Path) -> str:
    """A recipe's file as it stands. Raises `InputError`."""
    try:
        return recipe.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(
            f"The recipe {str(recipe)!r} cannot be read ({error}).",
            expected="a YAML or JSON file",
            do="Check the path.",
        ) from error


def _zipped(folder: Path, target: Path) -> Path:
    """The folder's files as they are: pictures do not get smaller."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                archive.write(path, path.relative_to(folder).as_posix())
    return target


def _refused(answer: httpx.Response) -> TellapartError:
    """What the server says is wrong, as it says it."""
    try:
        shape = answer.json()["error"]
        if shape.get("problems"):
            parts = {name: str(shape[name]) for name in ("what", "expected", "do")}
            what = parts.pop("what")
            kind = PolicyError if shape.get("code") == PolicyError.code else RecipeError
            return kind(what, **parts, problems=shape["problems"])
        return error_from(shape)
    except (ValueError, KeyError, TypeError):
        return FetchError(
            f"The server answered {answer.status_code}.",
            expected="an answer of a Tellapart server",
            do="Check the address of --server.",
            reason="status",
        )


def _unreachable(url: str, error: Exception) -> FetchError:
    return FetchError(
        f"{url} cannot be reached ({type(error).__name__}: {error}).",
        expected="a server that answers: `tellapart up` there",
        do="Check the address and the network, then run the same command again.",
        reason="connection",
    )

"""A deck service in one file: the folders of a folder are its candidates.

    python deck_service.py FLATS --token WORD
    export TELLAPART_ALLOW_HOSTS=127.0.0.1:8099      # it is on this machine
    tellapart deck add flats http --things --option url=http://127.0.0.1:8099/deck/v1

Each sub-folder holds pictures and, maybe, a `profile.json`. What was done stands in `acts.json`
beside them. The words are those of docs/deck-protocol.md; the standard library is all it needs.
"""

from __future__ import annotations

import argparse
import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

PICTURES = {".jpg", ".jpeg", ".png", ".webp"}
LOCK = threading.Lock()


class Deck(BaseHTTPRequestHandler):
    """Five addresses under /deck/v1/, and the pictures."""

    folder: Path
    token: str
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        match parts.path.removeprefix("/deck/v1/").split("/"):
            case _ if not self.let_in():
                self.answer(401, {"error": "no_such_token"})
            case ["deck"]:
                self.answer(200, {"protocol": 1, "name": self.folder.name, "people": False})
            case ["candidates"]:
                self.candidates(int(asked.get("limit", 20)), int(asked.get("after", 0)))
            case ["actions", key]:
                self.told(unquote(key))
            case ["results"]:
                self.results(asked.get("since", ""))
            case ["pictures", name, picture]:
                self.picture(self.folder / unquote(name) / unquote(picture))
            case _:
                self.answer(404, {"error": "no_such_path"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.let_in():
            return self.answer(401, {"error": "no_such_token"})
        said = json.loads(body)
        with LOCK:
            acts = self.acts()
            if said["key"] not in acts:  # a key is one act, however often it comes
                known = said["candidate"] in self.names()
                done = {"state": "done"} if known else {"state": "refused", "error": "gone"}
                at = datetime.now(UTC).isoformat()
                act = {"candidate": said["candidate"], "action": said["action"], "at": at}
                acts[said["key"]] = {**act, "answer": done}
                self.write(acts)
        return self.answer(*self.answered(acts[said["key"]]))

    def candidates(self, limit: int, after: int) -> None:
        with LOCK:
            judged = {act["candidate"] for act in self.acts().values()}
        names = self.names()
        page = [self.candidate(n) for n in names[after : after + limit] if n not in judged]
        following = str(after + limit) if after + limit < len(names) else None
        self.answer(200, {"candidates": page, "next": following})

    def candidate(self, name: str) -> dict[str, object]:
        folder = self.folder / name
        profile = folder / "profile.json"
        said = json.loads(profile.read_text()) if profile.exists() else {}
        found = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in PICTURES)
        pictures = [f"pictures/{quote(name)}/{quote(picture)}" for picture in found]
        return {"name": name, **said, "id": name, "pictures": pictures}

    def told(self, key: str) -> None:
        """What became of an act. What never came is refused from now on, should it still come."""
        with LOCK:
            acts = self.acts()
            if key not in acts:
                acts[key] = {"candidate": "", "action": "", "at": "", "answer": {"error": "void"}}
                self.write(acts)
        if "state" not in acts[key]["answer"]:
            return self.answer(404, {"error": "no_such_key"})
        return self.answer(*self.answered(acts[key]))

    def results(self, since: str) -> None:
        """Nobody likes back here; a person's own program may write `match` into acts.json."""
        with LOCK:
            acts = [act for act in self.acts().values() if "match" in act and act["at"] >= since]
        keys = ("candidate", "action", "match", "at")
        self.answer(200, {"results": [{k: a[k] for k in keys} for a in acts], "next": None})

    def answered(self, act: dict[str, dict[str, str]]) -> tuple[int, dict[str, str]]:
        return (200, act["answer"]) if "state" in act["answer"] else (409, {"error": "void_key"})

    def picture(self, path: Path) -> None:
        inside = path.resolve().is_relative_to(self.folder.resolve())
        if inside and path.suffix.lower() in PICTURES and path.is_file():
            self.send(200, path.read_bytes(), "application/octet-stream")
        else:
            self.answer(404, {"error": "no_such_picture"})

    def names(self) -> list[str]:
        return sorted(f.name for f in self.folder.iterdir() if f.is_dir() and f.name[0] != ".")

    def acts(self) -> dict[str, dict]:  # type: ignore[type-arg]
        file = self.folder / "acts.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def write(self, acts: dict[str, dict]) -> None:  # type: ignore[type-arg]
        new = self.folder / ".acts.json"
        new.write_text(json.dumps(acts, indent=1))
        new.replace(self.folder / "acts.json")

    def let_in(self) -> bool:
        return not self.token or self.headers.get("Authorization") == f"Bearer {self.token}"

    def answer(self, status: int, value: object) -> None:
        self.send(status, json.dumps(value).encode(), "application/json")

    def send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--token", default="")
    given = parser.parse_args()
    Deck.folder, Deck.token = given.folder, given.token
    server = ThreadingHTTPServer(("127.0.0.1", given.port), Deck)
    print(f"http://127.0.0.1:{server.server_port}/deck/v1", flush=True)  # noqa: T201 - its purpose
    server.serve_forever()

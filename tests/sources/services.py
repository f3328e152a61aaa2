"""Services on this machine that answer in the documented shapes, and say what they were asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from tellapart.demo.drawing import draw

KEY = "s3cret-key"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
DATA_SET = "ada/fruit"
#: Of each word; more than a page of every service.
MANY = 130
KNOWN = ("apple", "boat", "granny smith", "red delicious", "malus", "Apfel")
_TAXA = {"red fox": (42069, "Vulpes vulpes"), "red": (1, "Rubrum"), "robin": (13094, "Erithacus")}
_INAT_CODES = ("cc-by", "cc0", "cc-by-nc", None, "cc-by-sa", "pd", "cc-by-nc-nd")
_FLICKR = (
    (0, "All Rights Reserved", "https://www.flickrhelp.com/hc/articles/10710266545556"),
    (1, "NonCommercial-ShareAlike", "https://creativecommons.org/licenses/by-nc-sa/2.0/"),
    (4, "Attribution License", "https://creativecommons.org/licenses/by/2.0/"),
    (5, "ShareAlike", "https://creativecommons.org/licenses/by-sa/2.0/"),
    (7, "No known copyright restrictions", "https://www.flickr.com/commons/usage/"),
    (8, "United States Government Work", "http://www.usa.gov/copyright.shtml"),
    (9, "Public Domain Dedication", "https://creativecommons.org/publicdomain/zero/1.0/"),
    (10, "Public Domain Mark", "https://creativecommons.org/publicdomain/mark/1.0/"),
    (12, "Attribution 4.0", "https://creativecommons.org/licenses/by/4.0/"),
)


@dataclass
class Asked:
    """One request."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass
class Reply:
    """One answer instead of the usual one."""

    body: object = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Services:
    """Serves on 127.0.0.1 from threads of its own; use it as a context manager."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        #: Answers to the next requests whose path begins so.
        self.scripted: dict[str, list[Reply]] = {}
        #: Files of the hub's one data set.
        self.files: dict[str, bytes] = hub_files()
        self.card: dict[str, Any] = {"license": "cc-by-4.0", "pretty_name": "Fruit of Ada"}
        self._server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        services = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                services._get(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    @property
    def host(self) -> str:
        assert self._server is not None
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def settings(self) -> dict[str, Any]:
        return {
            "inaturalist_url": f"{self.url}/inat/v1",
            "flickr_url": f"{self.url}/flickr/rest/",
            "flickr_key": KEY,
            "pexels_url": f"{self.url}/pexels/v1",
            "pexels_key": KEY,
            "hub_url": f"{self.url}/hub",
            "allow_hosts": (self.host,),
        }

    def reset(self) -> None:
        self.asked.clear()
        self.scripted.clear()
        self.files = hub_files()
        self.card = {"license": "cc-by-4.0", "pretty_name": "Fruit of Ada"}

    def script(self, path: str, *replies: Reply) -> None:
        self.scripted.setdefault(path, []).extend(replies)

    def queries(self, path: str) -> list[dict[str, str]]:
        return [one.query for one in self.asked if one.path == path]

    # -- answers ----------------------------------------------------------------------------

    def _get(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        query = dict(parse_qsl(parts.query))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        path = unquote(parts.path)
        if path != "/robots.txt":
            self.asked.append(Asked(path, query, headers))
        reply = next((r.pop(0) for p, r in self.scripted.items() if path.startswith(p) and r), None)
        reply = reply or self._reply(path, query, headers)
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _reply(self, path: str, query: dict[str, str], headers: dict[str, str]) -> Reply:
        if path == "/inat/v1/taxa/autocomplete":
            return Reply(self._taxa(query["q"]))
        if path == "/inat/v1/observations":
            return self._observations(query)
        if path == "/flickr/rest/":
            return Reply(self._flickr(query))
        if path == "/pexels/v1/search":
            return self._pexels(query, headers)
        if path.startswith("/hub/"):
            return self._hub(path, query)
        if path.startswith("/picture/"):
            return Reply(picture(path), headers={"Content-Type": "image/jpeg"})
        return Reply({"error": "no such page"}, 404)

    def _taxa(self, words: str) -> dict[str, Any]:
        """As the service does it: whatever begins so, the best known first."""
        plain = words.lower().replace("-", " ")
        found = [
            {"id": id, "name": latin, "rank": "species", "preferred_common_name": word.title()}
            for word, (id, latin) in _TAXA.items()
            if word.startswith(plain) or latin.lower().startswith(plain)
        ]
        return {"total_results": len(found), "page": 1, "per_page": 30, "results": found}

    def _observations(self, query: dict[str, str]) -> Reply:
        size, page = int(query["per_page"]), int(query["page"])
        if size > 200 or size * page > 10_000:
            return Reply({"error": "Result window is too large", "status": 403}, 403)
        wanted = query["photo_license"].split(",")
        word = next((w for w, (id, _) in _TAXA.items() if str(id) == query["taxon_id"]), "")
        every = [self._observation(word, n) for n in range(MANY)]
        found = [o for o in every if any(p["license_code"] in wanted for p in o["photos"])]
        shown = found[(page - 1) * size : page * size]
        return Reply(
            {"total_results": len(found), "page": page, "per_page": size, "results": shown}
        )

    def _observation(self, word: str, n: int) -> dict[str, Any]:
        codes = (_INAT_CODES[n % len(_INAT_CODES)], _INAT_CODES[(n + 3) % len(_INAT_CODES)])
        return {
            "id": 1000 + n,
            "uri": f"{self.url}/observations/{1000 + n}",
            "quality_grade": "research",
            "license_code": "cc-by-nc",
            "taxon": {"id": 1, "name": _TAXA[word][1], "preferred_common_name": word.title()},
            "user": {"login": "ada", "name": "Ada L."},
            "photos": [
                {
                    "id": 10 * n + k,
                    "license_code": code,
                    "url": f"{self.url}/picture/{word}/{10 * n + k}/square.jpg",
                    "attribution": f"(c) Ada L., some rights reserved ({code})",
                    "original_dimensions": {"width": 2048, "height": 1536},
                }
                for k, code in enumerate(codes)
            ],
        }

    def _flickr(self, query: dict[str, str]) -> dict[str, Any]:
        if query.get("api_key") != KEY:
            return {"stat": "fail", "code": 100, "message": "Invalid API Key (Key not found)"}
        if query["method"] == "flickr.photos.licenses.getInfo":
            entries = [{"id": id, "name": name, "url": url} for id, name, url in _FLICKR]
            return {"licenses": {"license": entries}, "stat": "ok"}
        size, page = int(query["per_page"]), int(query["page"])
        ids = query["license"].split(",")
        word, *ruled = query["text"].split(" -")
        count = MANY if word in KNOWN else 0
        every = [self._photo(word, n, ids[n % len(ids)]) for n in range(count)]
        found = [p for p in every if not {*ruled} & {*p["title"].lower().split()}]
        pages = -(-len(found) // size)
        about = {"page": page, "pages": pages, "perpage": size, "total": len(found)}
        return {
            "photos": {**about, "photo": found[(page - 1) * size : page * size]},
            "stat": "ok",
        }

    def _photo(self, word: str, n: int, license: str) -> dict[str, Any]:
        return {
            "id": str(n),
            "owner": "12@N00",
            "secret": "x",
            "server": "1",
            "title": f"{word} logo {n}" if n % 10 == 9 else f"{word} {n}",
            "ispublic": 1,
            "license": license,
            "ownername": "Ada L.",
            "url_z": f"{self.url}/picture/{word}/{n}_z.jpg",
            "height_z": "480",
            "width_z": 640,
        }

    def _pexels(self, query: dict[str, str], headers: dict[str, str]) -> Reply:
        if headers.get("authorization") != KEY:
            return Reply({"status": 401, "code": "Unauthorized"}, 401)
        size, page, word = int(query["per_page"]), int(query["page"]), query["query"]
        count = MANY if word in KNOWN else 0
        photos = [self._stock(word, n) for n in range(count)][(page - 1) * size : page * size]
        more = {"next_page": f"{self.url}/pexels/v1/search?page={page + 1}"}
        return Reply(
            {
                "page": page,
                "per_page": size,
                "total_results": count,
                "photos": photos,
                **(more if page * size < count else {}),
            },
            headers={"X-Ratelimit-Limit": "20000", "X-Ratelimit-Remaining": "19684"},
        )

    def _stock(self, word: str, n: int) -> dict[str, Any]:
        return {
            "id": n,
            "width": 3000,
            "height": 2000,
            "url": f"{self.url}/photo/{n}/",
            "photographer": "Ada L.",
            "photographer_url": f"{self.url}/@ada",
            "alt": f"{word} on a table",
            "src": {
                "original": f"{self.url}/picture/{word}/{n}.jpeg",
                "large": f"{self.url}/picture/{word}/{n}.jpeg?auto=compress&h=650&w=940",
                "medium": f"{self.url}/picture/{word}/{n}.jpeg?auto=compress&h=350",
            },
        }

    def _hub(self, path: str, query: dict[str, str]) -> Reply:
        api, at = f"/hub/api/datasets/{DATA_SET}", f"/hub/datasets/{DATA_SET}/resolve/{COMMIT}/"
        if path in (f"{api}/revision/main", f"{api}/revision/{COMMIT}"):
            said = {"id": DATA_SET, "author": "ada", "sha": COMMIT, "cardData": self.card}
            return Reply({**said, "tags": ["license:cc0-1.0"], "gated": False})
        if path == f"{api}/tree/{COMMIT}":
            return self._tree(f"{self.url}{api}/tree/{COMMIT}", query)
        if path.startswith(at) and path[len(at) :] in self.files:
            return Reply(self.files[path[len(at) :]])
        # As the hub does: what is not there may be somebody's secret.
        return Reply({"error": "Repository not found"}, 401 if "/api/" in path else 404)

    def _tree(self, url: str, query: dict[str, str]) -> Reply:
        names = sorted(self.files)
        size, first = min(int(query.get("limit", 1000)), 100), int(query.get("cursor", 0))
        entries = [
            {"type": "file", "path": name, "size": len(self.files[name]), "oid": "0"}
            for name in names[first : first + size]
        ]
        folders = [{"type": "directory", "path": "train", "size": 0, "oid": "0"}]
        more = {"Link": f'<{url}?recursive=true&cursor={first + size}>; rel="next"'}
        return Reply(entries + folders, headers=more if first + size < len(names) else {})


def picture(name: str) -> bytes:
    """A drawn picture, another one for every name."""
    out = BytesIO()
    draw("apple", sum(name.encode()), (32, 24)).save(out, "JPEG")
    return out.getvalue()


def hub_files(words: Sequence[str] = ("apple", "Red_Boat")) -> dict[str, bytes]:
    files = {"README.md": b"---\nlicense: cc-by-4.0\n---\n", ".gitattributes": b"", "run.py": b"x"}
    for word in words:
        files |= {f"train/{word}/{n}.jpg": picture(f"{word}{n}") for n in range(60)}
        files |= {f"test/{word}/{n}.jpg": picture(f"test {word}{n}") for n in range(8)}
    return files

"""Pages on loopback that show their pictures in all the ways pages do, and a count of who asks."""

from __future__ import annotations

import asyncio
import base64
import colorsys
import contextlib
import io
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from PIL import Image

#: (status, headers, body)
Answer = tuple[int, dict[str, str], bytes]
Handler = Callable[[dict[str, str]], Answer]

_HTML = {"Content-Type": "text/html; charset=utf-8"}
_JSON = {"Content-Type": "application/json"}
#: How the pages show their pictures.
KINDS = ("plain", "scroll", "button", "lazy", "observed", "data", "box", "pages", "mixed")


@dataclass
class Site:
    """A web server on a free port of 127.0.0.1."""

    port: int = 0
    #: TCP connections that were accepted: whoever knocks, whatever he asks.
    connections: int = 0
    #: Requests by path with its query.
    requests: Counter[str] = field(default_factory=Counter)
    #: Of each request, its method, path and headers (names in lower case).
    heard: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    handlers: dict[str, Handler] = field(default_factory=dict)
    #: Markup that stands in every gallery beside its pictures.
    beside: str = ""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str = "/") -> str:
        return f"http://{self.host}{path}"

    def page(
        self, path: str, body: str | bytes, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        """Answer `path` (whatever its query) with this."""
        data = body.encode() if isinstance(body, str) else body
        self.handlers[path] = lambda _: (status, {**_HTML, **(headers or {})}, data)

    def asked(self, path: str) -> int:
        """Requests for a path, whatever their query."""
        return sum(n for url, n in self.requests.items() if urlsplit(url).path == path)

    def gallery(self, kind: str, n: int, step: int = 12) -> list[str]:
        """Serve a gallery at `/KIND`; return the addresses of its `n` pictures."""
        items = [self._item(kind, place) for place in range(n)]
        self.handlers[f"/{kind}"] = lambda query: (
            200,
            _HTML,
            (_page(kind, items, step, int(query.get("from", 0))) + self.beside).encode(),
        )
        self.handlers[f"/{kind}/more"] = lambda query: (
            200,
            _JSON,
            json.dumps(items[int(query["from"]) : int(query["from"]) + step]).encode(),
        )
        return items

    def _item(self, kind: str, place: int) -> str:
        if kind == "data" or (kind == "mixed" and place % 4 == 3):
            return "data:image/png;base64," + base64.b64encode(drawn(kind, place, "PNG")).decode()
        path = f"/pictures/{kind}-{place}.jpg"
        self.handlers[path] = lambda _: (
            200,
            {"Content-Type": "image/jpeg"},
            drawn(kind, place, "JPEG"),
        )
        return self.url(path)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *lines = head.strip().split("\r\n")
                method, path, _ = first.split(" ")
                headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
                await reader.readexactly(int(headers.get("content-length", 0)))
                self.requests[path] += 1
                self.heard.append((method, path, headers))
                status, fields, body = self._answer(path)
                fields = {"Content-Length": str(len(body)), **fields}
                writer.write(
                    f"HTTP/1.1 {status} Word\r\n".encode()
                    + "".join(f"{k}: {v}\r\n" for k, v in fields.items()).encode()
                    + b"\r\n"
                    + body
                )
                await writer.drain()
        writer.close()

    def _answer(self, path: str) -> Answer:
        parts = urlsplit(path)
        handler = self.handlers.get(unquote(parts.path))
        if handler is None:
            return 404, _HTML, b"nothing here"
        return handler({k: v[0] for k, v in parse_qs(parts.query).items()})


@contextlib.contextmanager
def serving() -> Iterator[Site]:
    """A `Site` in a thread of its own."""
    site, ready = Site(), threading.Event()
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def main() -> None:
        tasks: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(site.serve(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        stop = asyncio.Event()
        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        site.port = server.sockets[0].getsockname()[1]
        loops.append((asyncio.get_running_loop(), stop))
        ready.set()
        await stop.wait()
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    thread = threading.Thread(target=asyncio.run, args=(main(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield site
    finally:
        loops[0][0].call_soon_threadsafe(loops[0][1].set)
        thread.join(10)


def drawn(kind: str, place: int, format: str) -> bytes:
    """A picture that no other place has."""
    seed = KINDS.index(kind) * 1000 + place if kind in KINDS else place
    color = [int(255 * part) for part in colorsys.hsv_to_rgb(seed * 0.618 % 1, 0.6, 0.9)]
    picture = Image.new("RGB", (64, 48), tuple(color))
    bits = [(x, y) for y in range(4) for x in range(4)]
    for number, (x, y) in enumerate(bits):
        if seed >> number & 1:
            picture.paste((20, 20, 20), (x * 16, y * 12, x * 16 + 12, y * 12 + 9))
    out = io.BytesIO()
    picture.save(out, format)
    return out.getvalue()


def _page(kind: str, items: list[str], step: int, start: int) -> str:
    whole = kind in ("plain", "lazy", "observed", "data")
    shown = items if whole else items[start : start + step]
    following = start + step
    link = ""
    if kind == "pages" and following < len(items):
        link = f'<a id="more" href="/pages?from={following}">next page</a>'
    if kind in ("button", "mixed"):
        link = '<button id="more">more</button>'
    return f"""<!doctype html><title>{kind}</title><style>
img {{ display: block; width: 240px; height: 180px; margin: 8px; }}
.box {{ height: 600px; overflow-y: auto; }}</style>
<img class="logo" src="/logo.png" alt="not among them">
<div id="list"{' class="box"' if kind == "box" else ""}></div>{link}<div id="end">&nbsp;</div>
<script>const kind = {json.dumps(kind)}, total = {len(items)}, step = {step};
let at = {start}, busy = false, rounds = 0;
const clear = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
{_SCRIPT}
show({json.dumps(shown)});</script>"""


_SCRIPT = """
const list = document.getElementById("list"), more = document.getElementById("more");
const waiting = new Map();
const seen = new IntersectionObserver((entries) => entries.forEach((entry) => {
  if (!entry.isIntersecting || !waiting.has(entry.target)) return;
  entry.target.src = waiting.get(entry.target);
  waiting.delete(entry.target);
}));
function show(items) {
  for (const url of items) {
    const img = document.createElement("img");
    img.className = "result";
    img.alt = "picture " + at;
    if (kind === "lazy" || (kind === "mixed" && at % 4 === 1)) {
      img.src = clear;
      img.dataset.src = url;
    } else if (kind === "observed" || (kind === "mixed" && at % 4 === 2)) {
      img.src = clear;
    } else {
      img.src = url;
    }
    if (img.src === clear) { waiting.set(img, url); seen.observe(img); }
    list.append(img);
    at += 1;
  }
  if (more && at >= total) more.remove();
}
async function load() {
  if (busy || at >= total) return;
  busy = true;
  show(await (await fetch(`/${kind}/more?from=${at}`)).json());
  busy = false;
  // Two loads by scrolling, then one by the button, and so on.
  rounds += 1;
  if (kind !== "button" && !(kind === "mixed" && rounds % 3 === 2)) watch();
}
const end = new IntersectionObserver((entries) => {
  if (entries.some((entry) => entry.isIntersecting)) { end.disconnect(); load(); }
});
function watch() { end.disconnect(); end.observe(document.getElementById("end")); }
if (kind === "scroll" || kind === "mixed") watch();
if (kind === "box") list.addEventListener("scroll", () => {
  if (list.scrollTop + list.clientHeight > list.scrollHeight - 50) load();
});
if (kind === "button" || kind === "mixed") more.addEventListener("click", load);
"""

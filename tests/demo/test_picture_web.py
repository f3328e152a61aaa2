import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from io import BytesIO

import pytest
from PIL import Image

from tellapart.demo.drawing import WORDS
from tellapart.demo.listing import BUSY, FAULTS, listing, picture
from tellapart.demo.picture_web import PictureWeb

SMALL = (64, 48)


def get(url: str) -> tuple[int, dict[str, str], bytes]:
    opener = urllib.request.build_opener(NoRedirect)
    try:
        with opener.open(url, timeout=10) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: object) -> None:
        return None


def test_every_fault_is_planted_and_the_same_each_time() -> None:
    words = WORDS[:3]
    offers = listing("apple", words, 40, 0, faults=True)
    assert offers == listing("apple", words, 40, 0, faults=True)
    assert offers != listing("apple", words, 40, 1, faults=True)
    kinds = Counter(entry.kind for entry in offers)
    assert set(kinds) == {"good", BUSY, *FAULTS}
    assert kinds["good"] == 40 and kinds["exact_duplicate"] == 2
    assert {e.kind for e in offers[-20:]} == {"good"}
    assert len({e.path for e in offers}) == len(offers)


def test_duplicates_are_what_they_are_called() -> None:
    offers = listing("boat", WORDS[:3], 40, 0, faults=True)
    good = {e.family: picture(e, SMALL) for e in offers if e.kind == "good"}
    for entry in offers:
        if entry.kind == "exact_duplicate":
            assert picture(entry, SMALL) == good[entry.family]
        elif entry.kind == "near_duplicate":
            assert picture(entry, SMALL) != good[entry.family]
            Image.open(BytesIO(picture(entry, SMALL))).load()
        elif entry.kind in {"off_topic", "mislabelled"}:
            assert entry.shown != "boat" and entry.family not in good
    assert len(set(good.values())) == 40


def test_openverse_limits_and_pages() -> None:
    with PictureWeb(["apple"], n=45, size=SMALL, faults=False) as web:
        base = f"{web.openverse_url}/images/"
        status, _, body = get(f"{base}?q=red+apple&page=3")
        answer = json.loads(body)
        assert status == 200 and len(answer["results"]) == 5 and answer["page_count"] == 3
        assert answer["result_count"] == 45
        assert get(f"{base}?q=apple&page_size=21")[0] == 401
        assert get(f"{base}?q=apple&page=21")[0] == 401
        assert get(f"{base}?page=1")[0] == 400
        _, _, body = get(f"{base}?q=apple&license=cc0")
        assert {r["license"] for r in json.loads(body)["results"]} == {"cc0"}
        assert web.requests["/v1/images/?red apple"] == 1


def test_commons_pages_and_continuation() -> None:
    with PictureWeb(["apple"], n=60, size=SMALL, faults=False) as web:
        ask = f"{web.commons_url}?action=query&generator=search&gsrsearch=filetype:bitmap+apple"
        answer = json.loads(get(f"{ask}&gsrlimit=50")[2])
        assert answer["continue"]["gsroffset"] == 50
        pages = answer["query"]["pages"]
        assert [p["pageid"] for p in pages] == sorted(p["pageid"] for p in pages)
        assert sorted(p["index"] for p in pages) == list(range(1, 51))
        last = json.loads(get(f"{ask}&gsrlimit=50&gsroffset=50")[2])
        assert len(last["query"]["pages"]) == 10 and "continue" not in last


def test_faults_as_they_are_served() -> None:
    with PictureWeb(["apple", "boat"], n=20, size=SMALL, big=200_000) as web:
        of = {e.kind: e for e in web.openverse["apple"]}
        assert get(web.url(of["gone"]))[0] == 404
        status, headers, _ = get(web.url(of["private_redirect"]))
        assert status == 302 and "169.254.169.254" in headers["Location"]
        assert "noai" in get(web.url(of["opted_out"]))[1]["X-Robots-Tag"]
        assert len(get(web.url(of["too_many_bytes"]))[2]) == 200_000
        assert get(web.url(of[BUSY]))[0] == 429
        assert get(web.url(of[BUSY]))[0] == 200
        assert of["robots"].path.startswith("/private/")
        assert b"Disallow: /private/" in get(f"http://{web.host}/robots.txt")[2]
        bomb = get(web.url(of["too_many_pixels"]))[2]
        assert len(bomb) < 1000
        with pytest.raises(Image.DecompressionBombError):
            Image.open(BytesIO(bomb))
        with pytest.raises(OSError, match="truncated"):
            Image.open(BytesIO(get(web.url(of["truncated"]))[2])).load()
        assert web.requests[of["gone"].path] == 1
        assert json.loads(get(f"http://{web.host}/requests")[2])[of["gone"].path] == 1
        truth = json.loads(get(f"http://{web.host}/truth")[2])
        assert {e["kind"] for e in truth} >= set(FAULTS)


def test_it_runs_as_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "tellapart.demo.picture_web", "--port", "0", "-n", "2"]
    server = subprocess.Popen(
        [*command, "--words", "apple", "--size", "32", "24"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        port = json.loads(server.stdout.readline())["port"]
        status, _, body = get(f"http://127.0.0.1:{port}/v1/images/?q=apple")
        assert status == 200 and json.loads(body)["results"]
    finally:
        server.terminate()
        server.wait(10)

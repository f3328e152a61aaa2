"""robots.txt and opt-out headers."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.fetch.optout import opted_out
from tellapart.fetch.robots import Robots, fits


@pytest.mark.parametrize(
    ("rules", "open_", "closed"),
    [
        ("", ["/", "/a"], []),
        ("Disallow:", ["/", "/a"], []),
        ("Disallow: /", [], ["/", "/a", "/?q"]),
        ("Disallow: /a", ["/", "/b", "/A"], ["/a", "/abc", "/a/b", "/a?x"]),
        ("Disallow: /\nAllow: /open", ["/open", "/open/a"], ["/", "/ope"]),
        ("Allow: /a\nDisallow: /a", ["/a"], []),
        ("Disallow: /a/b\nAllow: /a\nDisallow: /", ["/a", "/a/c"], ["/a/b", "/x"]),
        ("Disallow: /*.php$", ["/a.php?x", "/a.phps"], ["/a.php", "/b/c.php"]),
        (
            "Disallow: /*/private/*.jpg",
            ["/private/a.jpg"],
            ["/x/private/a.jpg?y", "/a/private/.jpg"],
        ),
        ("Disallow: /a$", ["/ab", "/a/"], ["/a"]),
        ("Disallow: /*?", ["/a"], ["/a?", "/a?b=c"]),
        ("disallow : /a # why", ["/b"], ["/a"]),
        ("Disallow: /%7Ejoe/ä", ["/joe"], ["/~joe/%C3%A4", "/%7ejoe/%c3%a4"]),
        ("Disallow: /a%2Fb", ["/a/b"], ["/a%2Fb", "/a%2fb"]),
        ("Disallow: *", [], ["/", "/a"]),
        ("Sitemap: /x\nDisallow: /a", ["/x"], ["/a"]),
    ],
)
def test_rules(rules: str, open_: list[str], closed: list[str]) -> None:
    robots = Robots.parse(f"User-agent: *\n{rules}\n")
    assert [path for path in open_ if not robots.allows(path)] == []
    assert [path for path in closed if robots.allows(path)] == []


GROUPS = """\ufeff
User-agent: otherbot
User-agent: Tellapart/1.0
Disallow: /theirs
Crawl-delay: 2

User-agent: *
Disallow: /
Crawl-delay: 30

User-Agent: TELLAPART
Disallow: /more
"""


def test_groups() -> None:
    robots = Robots.parse(GROUPS)
    assert robots.crawl_delay == 2
    assert [robots.allows(path) for path in ("/", "/theirs", "/more")] == [True, False, False]
    stranger = Robots.parse(GROUPS, agent="strangerbot")
    assert not stranger.allows("/")
    assert stranger.crawl_delay == 30
    # A group for us without rules is still ours.
    empty = Robots.parse("User-agent: tellapart\nDisallow:\nUser-agent: *\nDisallow: /")
    assert empty.allows("/")


def test_crawl_delays_that_make_no_sense() -> None:
    for value in ("x", "-1", "nan", "inf", ""):
        robots = Robots.parse(f"User-agent: *\nCrawl-delay: {value}")
        assert robots.crawl_delay is None, value


@given(st.text(), st.text(min_size=1))
def test_any_text_is_read(text: str, path: str) -> None:
    robots = Robots.parse("user-agent: *\ndisallow: " + text)
    assert robots.allows("/" + path) in (True, False)


def test_hostile_patterns_come_to_an_end() -> None:
    robots = Robots.parse("user-agent: *\n" + "disallow: /" + "*a" * 2000 + "b\n")
    # A regular expression would not be done today.
    assert robots.allows("/" + "a" * 8000)
    many = Robots.parse("user-agent: *\n" + "disallow: /x\n" * 50_000)
    assert len(many.rules) <= 5000


@given(st.lists(st.sampled_from(["a", "b", "*"]), max_size=6), st.text("ab", max_size=8))
def test_wildcards_as_a_plain_search_finds_them(parts: list[str], path: str) -> None:
    import re

    pattern = "".join(parts)
    expression = "".join(".*" if part == "*" else part for part in parts)
    assert fits(pattern, path) == bool(re.match(expression, path))
    assert fits(pattern + "$", path) == bool(re.fullmatch(expression, path))


def test_a_closed_path_is_never_asked_for(web: Any) -> None:
    web.page("/robots.txt", b"User-agent: *\nDisallow: /private", Content_Type="text/plain")
    assert web.reasons("/private/a.jpg", "/a.jpg", "/b.jpg") == ["robots", "ok", "ok"]
    assert web.seen("/robots.txt") == 1
    assert web.seen("/private/a.jpg") == 0
    assert web.reasons("/private/a.jpg", robots=False) == ["ok"]


def test_redirects_ask_the_robots_of_where_they_lead(web: Any) -> None:
    web.page("/robots.txt", b"User-agent: *\nDisallow: /private")
    web.page("/away", b"", 302, Location="/private/a.jpg")
    assert web.reasons("/away") == ["robots"]
    assert web.seen("/private/a.jpg") == 0


@pytest.mark.parametrize(
    ("status", "found"),
    [(404, "ok"), (401, "ok"), (403, "ok"), (410, "ok"), (500, "robots"), (503, "robots")],
)
def test_robots_that_do_not_answer(web: Any, status: int, found: str) -> None:
    web.page("/robots.txt", b"<html>Disallow: /", status)
    assert web.reasons("/a.jpg", "/b.jpg") == [found] * 2


def test_robots_behind_redirects_and_loops(web: Any) -> None:
    web.page("/robots.txt", b"", 301, Location="/rules")
    web.page("/rules", b"User-agent: *\nDisallow: /private")
    assert web.reasons("/private/a", "/a.jpg") == ["robots", "ok"]
    web.page("/rules", b"", 301, Location="/rules")
    assert web.reasons("/private/a") == ["ok"]


def test_a_long_robots_is_read_from_its_start(web: Any) -> None:
    rules = b"User-agent: *\nDisallow: /private\n"
    web.page("/robots.txt", rules + b"# nothing\n" * 100_000)
    assert web.reasons("/private/a", "/a.jpg") == ["robots", "ok"]


def test_crawl_delay_is_kept(web: Any) -> None:
    web.page("/robots.txt", b"User-agent: *\nCrawl-delay: 0.2")
    start = time.perf_counter()
    assert web.reasons("/a.jpg", "/b.jpg", "/c.jpg", "/d.jpg") == ["ok"] * 4
    assert time.perf_counter() - start >= 0.6


@pytest.mark.parametrize(
    "value",
    [
        "noai",
        "noimageai",
        "noindex, NoAI",
        "noai, noimageai",
        "*: noai",
        "tellapart: noai",
        "Tellapart: noindex, noimageai",
        "googlebot: noindex, tellapart: noai",
        "max-snippet: 5, noai",
        "unavailable_after: 25 Jun 2010 15:00:00 PST, noai",
    ],
)
def test_opted_out(value: str) -> None:
    assert opted_out([(b"X-Robots-Tag", value.encode())])


@pytest.mark.parametrize(
    "value", ["", "noindex", "googlebot: noai", "googlebot: noindex, noai", "xnoai", "noai:"]
)
def test_not_opted_out(value: str) -> None:
    assert opted_out([(b"x-robots-tag", value.encode()), (b"tdm-reservation", b"0")]) is None


def test_opt_out_headers_refuse_the_picture(web: Any) -> None:
    web.page("/tag", X_Robots_Tag="noai, noimageai")
    web.page("/tdm", tdm_reservation="1")
    web.page("/other", X_Robots_Tag="otherbot: noai")
    web.page("/away", b"", 302, Location="/a.jpg", x_robots_tag="noimageai")
    found = web.reasons("/tag", "/tdm", "/other", "/away")
    assert found == ["opted_out", "opted_out", "ok", "opted_out"]

"""What the mails say, and what no word from outside can make them say."""

from __future__ import annotations

from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tellapart.mail import Failure, Link, Success, Verdict, compose

BUNDLE = Link("The model", "https://app.example/d/abc", 9_400_000)


def _made(**changes: Any) -> Success:
    values: dict[str, Any] = {
        "project": "fruit",
        "version": 3,
        "classes": ["apple", "pear"],
        "accuracy": 0.964,
        "interval": (0.921, 0.985),
        "baseline": 0.5,
        "tested": 112,
        "kept": 412,
        "set_aside": 37,
        "verdict": Verdict("pear", 0.973),
        "links": [BUNDLE],
        "links_end": "28 November 2026, 20:30 UTC",
        "page": "https://app.example/runs/r_1",
    }
    return Success(**{**values, **changes})


class _Seen(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.lang = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        self.lang = self.lang or str(found.get("lang") or "")
        self.links += [str(found[name]) for name in ("href", "src") if name in found]
        assert not [name for name in found if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def _both(message: EmailMessage) -> tuple[str, _Seen]:
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None and html is not None
    return text.get_content(), _Seen(html.get_content())


ALL = {
    "success": lambda: compose.success(_made()),
    "failure": lambda: compose.failure(
        Failure("fruit", ["apple"], "collect", "Only 7.", "20", "More.", "https://app.example/r")
    ),
    "confirm": lambda: compose.confirm("https://app.example/confirm/x", 24),
    "taken": lambda: compose.taken("https://app.example/login"),
    "reset": lambda: compose.reset("https://app.example/reset/x", 60),
    "changed": lambda: compose.changed("password", "https://app.example/"),
    "test": lambda: compose.test("https://app.example"),
}


@pytest.mark.parametrize("kind", ALL)
def test_each_has_both_forms_one_heading_and_nothing_remote(kind: str) -> None:
    message = ALL[kind]()
    text, page = _both(message)
    assert page.lang == "en" and page.tags.count("h1") == 1 and "title" in page.tags
    assert not {"img", "script", "link", "iframe", "form", "object"} & set(page.tags)
    assert all(link.startswith("https://app.example") for link in page.links)
    assert set(page.links) <= set(text.split()) or kind == "test"
    assert "{{" not in text and "{%" not in text
    assert all(len(line) < 200 for line in text.splitlines())


def test_success_is_honest() -> None:
    text, page = _both(compose.success(_made()))
    for said in (text, "".join(page.words)):
        said = said.replace("\u00a0", " ")
        for part in ("96.4 %", "112 pictures", "92.1 %", "98.5 %", "50.0 %", "412", "37"):
            assert part in said
        for part in ("pear", "97.3 %", "9.4 MB", "28 November 2026"):
            assert part in said
        assert "guessing" not in said and "attached" not in said
    weak, _ = _both(compose.success(_made(interval=(0.45, 0.7), attached=True)))
    assert "not clearly better than guessing" in weak and "attached" in weak
    none, _ = _both(compose.success(_made(accuracy=None, interval=None, baseline=None)))
    assert "nobody knows" in none and "guessing" not in none


def test_what_was_counted_has_its_own_name() -> None:
    text, page = _both(compose.success(_made(counted="rows")))
    for said in (text, "".join(page.words)):
        assert "112 rows" in said and "412 rows" in said and "pictures" not in said


def test_the_test_pictures_verdict_in_all_its_forms() -> None:
    text, _ = _both(compose.success(_made(verdict=Verdict("", 0.61))))
    assert "None of these" in text and "61.0" in text
    text, _ = _both(compose.success(_made(verdict=Verdict("", 0, "It could not be fetched."))))
    assert "could not be judged: It could not be fetched." in text
    text, _ = _both(compose.success(_made(verdict=None)))
    assert "YOUR PICTURE" not in text


HOSTILE = (
    "<script>alert(1)</script>",
    "x\r\nBcc: all@example.org\r\n\r\nbody",
    "</title><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnp.exe",
    "a\u2028b\u0085c\x00d\x1b[31m",
    "x" * 5000,
    "\ud800",
)


@pytest.mark.parametrize("word", HOSTILE)
def test_words_from_outside_stay_words(word: str) -> None:
    for message in (
        compose.success(
            _made(project=word, classes=[word, "b"], verdict=Verdict(word, 0.5), notes=[word])
        ),
        compose.failure(Failure(word, [word], word, word, word, word)),
    ):
        usual = compose.success(_made()) if "ready" in message["Subject"] else ALL["failure"]()
        text, page = _both(message)
        assert set(page.tags) <= set(_both(usual)[1].tags)
        assert message.keys() == usual.keys()
        assert message["Subject"] == usual["Subject"]
        whole = message.as_bytes()
        assert b"\x1b" not in whole and b"\x00" not in whole
        assert not [c for c in text if c in "\u202e\u2028\u0085\ud800"]
        assert not [line for line in text.splitlines() if line.startswith("Bcc:")]


@given(st.text(max_size=200))
def test_any_word_is_one_line(word: str) -> None:
    line = compose.plain(word)
    assert len(line.splitlines()) <= 1 and len(line) <= 120
    line.encode("utf-8")


def test_many_classes_are_cut_short() -> None:
    text, _ = _both(compose.success(_made(classes=[f"c{i}" for i in range(1000)])))
    assert "c11 and 988 more" in text and "c12" not in text

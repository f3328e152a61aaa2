"""robots.txt as RFC 9309 says, with wildcards, longest match and crawl delays.

`urllib.robotparser` knows no wildcards, takes the first match instead of the longest and
decodes paths before comparing; so the 100 lines are written here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote, unquote

#: What a site calls us in robots.txt and in X-Robots-Tag.
AGENT = "tellapart"
#: Bytes read of a robots.txt; RFC 9309 asks for at least 500 KiB.
MAX_BYTES = 500 * 1024
_MAX_RULES = 5000

#: Left as they are when a pattern and a path are brought to one spelling.
_SAFE = "/?#[]@!$&'()*+,;=:~-._"


@dataclass
class Robots:
    """The rules of one robots.txt that are meant for us."""

    #: `(pattern, allowed)`, in any order: the longest fitting pattern decides.
    rules: list[tuple[str, bool]] = field(default_factory=list)
    #: Seconds between two requests, where the site asks for that.
    crawl_delay: float | None = None

    @classmethod
    def parse(cls, text: str, agent: str = AGENT) -> Robots:
        """Read a robots.txt. Groups that name `agent` win over the group of `*`; never raises."""
        ours, everyone = cls(), cls()
        current: list[Robots] = []
        naming = False
        for line in text.removeprefix("\ufeff").splitlines():
            key, _, value = line.split("#", 1)[0].partition(":")
            key, value = key.strip().lower(), value.strip()
            if key == "user-agent":
                if not naming:
                    current, naming = [], True
                named = value.lower().split("/", 1)[0].strip()
                if named == agent:
                    current.append(ours)
                    ours.named = True
                elif named == "*":
                    current.append(everyone)
            elif key in ("allow", "disallow", "crawl-delay"):
                naming = False
                for group in current:
                    group._add(key, value)
        return ours if ours.named else everyone

    #: Whether a group named us; without its own rules it still wins over `*`.
    named: bool = False

    def allows(self, path: str) -> bool:
        """Whether `path` (with its query) may be fetched. Ties go to `allow`."""
        if not self.rules:
            return True
        path = _one_spelling(path)
        best, allowed = -1, True
        for pattern, allow in self.rules:
            length = len(pattern)
            if (length > best or (length == best and allow)) and fits(pattern, path):
                best, allowed = length, allow
        return allowed

    def _add(self, key: str, value: str) -> None:
        if key == "crawl-delay":
            try:
                seconds = float(value)
            except ValueError:
                return
            if 0 <= seconds < float("inf"):
                self.crawl_delay = max(seconds, self.crawl_delay or 0.0)
        elif value and len(self.rules) < _MAX_RULES:
            self.rules.append((_one_spelling(value), key == "allow"))


def fits(pattern: str, path: str) -> bool:
    """Whether `pattern` (`*` any characters, a final `$` the end) fits the start of `path`.

    Linear in both: a hostile pattern cannot make it slow, as a regular expression could be.
    """
    to_end = pattern.endswith("$")
    first, *rest = (pattern[:-1] if to_end else pattern).split("*")
    if not path.startswith(first):
        return False
    if not rest:
        return not to_end or path == first
    at = len(first)
    for piece in rest[:-1]:
        found = path.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    last = rest[-1]
    if to_end:
        return len(path) - at >= len(last) and path.endswith(last)
    return path.find(last, at) >= 0


def _one_spelling(path: str) -> str:
    """Bring `/a%7Eb`, `/a~b` and `/ä` to one form; an encoded slash stays encoded."""
    if path.isascii() and "%" not in path:
        return path
    kept = path.replace("%2f", "%252F").replace("%2F", "%252F")
    return quote(unquote(kept, errors="surrogateescape"), safe=_SAFE, errors="surrogateescape")

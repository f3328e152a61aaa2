"""Every reason for which a fetch can fail: one word for the ledger, three parts for a person."""

from __future__ import annotations

from tellapart.errors import FetchError, RefusedError

#: word → (the guard's refusal or a failure, what was expected, what to do next).
REASONS: dict[str, tuple[type[FetchError], str, str]] = {
    "private_address": (
        RefusedError,
        "an address on the public internet",
        (
            "Use a public URL. For a server of your own, name its host and port in "
            "TELLAPART_ALLOW_HOSTS."
        ),
    ),
    "scheme": (RefusedError, "an http: or https: URL", "Use an http: or https: URL."),
    "port": (
        RefusedError,
        (
            "a port on which the web is served: 80, 443 or one from 1024 up that no other "
            "service is known for"
        ),
        "Use a usual port, or name the host and port in TELLAPART_ALLOW_HOSTS.",
    ),
    "robots": (
        RefusedError,
        "a URL that the site's robots.txt leaves open",
        "Use another picture, or ask the site's owner.",
    ),
    "opted_out": (
        RefusedError,
        "a picture without an opt-out header (X-Robots-Tag: noai, noimageai; tdm-reservation: 1)",
        "Use another picture: this one's owner does not want it used for training.",
    ),
    "bad_url": (FetchError, "a well-formed absolute URL", "Correct the URL."),
    "redirects": (
        FetchError,
        "an answer after at most 5 redirects",
        "Use the address at which the redirects end.",
    ),
    "too_large": (
        FetchError,
        "a file within the size limit",
        "Use a smaller file, or raise TELLAPART_MAX_DOWNLOAD_MB.",
    ),
    "too_slow": (
        FetchError,
        "data at a steady minimum rate",
        "Try again later, or use another server.",
    ),
    "timeout": (
        FetchError,
        "a complete answer in time",
        "Try again later, or raise TELLAPART_FETCH_TIMEOUT.",
    ),
    "dns": (
        FetchError,
        "a host name that resolves",
        "Check the host's name and this machine's network.",
    ),
    "tls": (
        FetchError,
        "a valid TLS certificate for this host",
        (
            "Check the host's name and the machine's clock; for a company's own authority, name "
            "its certificate file in SSL_CERT_FILE."
        ),
    ),
    "connection": (
        FetchError,
        "a complete HTTP answer",
        "Try again later; check that the server runs and this machine's network.",
    ),
    "rate_limited": (
        FetchError,
        "a server that accepts this many requests",
        "Run the same command again later: it goes on where it stopped.",
    ),
    "not_a_picture": (
        FetchError,
        "JPEG, PNG, GIF, WebP, BMP, TIFF, AVIF or JPEG 2000 data, whatever the headers say",
        "Use the URL of the picture itself, not of the page that shows it.",
    ),
    "empty": (FetchError, "at least one byte", "Use another URL: this one holds nothing."),
    "not_json": (FetchError, "a JSON answer", "Check that the URL is an API's address."),
    "encoding": (
        FetchError,
        "a body that is plain, gzip or deflate",
        "Use another server: this one's answer cannot be decoded.",
    ),
}

_HTTP = (
    FetchError,
    "a status from 200 to 299",
    "Check the URL; if it is right, the server does not give this file out.",
)


def problem(reason: str, what: str, *, expected: str | None = None) -> FetchError:
    """Return (not raise) the error of `reason`; `http_<status>` is any other HTTP answer."""
    kind, usual, do = _HTTP if reason.startswith("http_") else REASONS[reason]
    return kind(what, expected=expected or usual, do=do, reason=reason)


def shorten(text: str, limit: int = 160) -> str:
    """Quote `text` for a message: control characters escaped, the middle of long ones left out."""
    plain = text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
    if len(plain) <= limit:
        return plain
    return f"{plain[: limit - 40]}…{plain[-39:]}"

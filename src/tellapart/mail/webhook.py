"""Tell a program instead of a person: JSON by POST, signed, through the guard.

The receiver proves who sent it: `X-Tellapart-Signature: t=UNIX,v1=HEX`, where HEX is the
HMAC-SHA-256 of `UNIX.BODY` under the account's secret. It should refuse a `t` that is minutes
old, and a `X-Tellapart-Delivery` that it has seen.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ssl
import threading
from importlib.metadata import version

import httpcore
import httpx

from tellapart.errors import TellapartError
from tellapart.fetch.guard import Guard
from tellapart.fetch.transport import Transport
from tellapart.mail.smtp import SendError
from tellapart.settings import Settings
from tellapart.store.keys import Keys

#: Seconds for everything, from the name's look-up to the answer's status.
ALL_S = 20.0


def secret(settings: Settings, owner: str) -> str:
    """What the account's receivers need to prove a signature; shown to its owner alone."""
    return _secrets(settings, owner)[0]


def signature(settings: Settings, owner: str, body: bytes, at: int) -> str:
    """The header's value. After a change of the server's key, one `v1` for each key."""
    message = str(at).encode() + b"." + body
    marks = [
        hmac.new(key.encode(), message, hashlib.sha256).hexdigest()
        for key in _secrets(settings, owner)
    ]
    return ",".join([f"t={at}", *(f"v1={mark}" for mark in marks)])


def post(
    settings: Settings,
    url: str,
    body: bytes,
    *,
    owner: str,
    delivery: str,
    at: int,
    context: ssl.SSLContext | None = None,
) -> None:
    """Return once the receiver has said 2xx. Raises `SendError`. Follows no redirects."""
    headers = {
        "content-type": "application/json",
        "user-agent": f"Tellapart/{version('tellapart')} (+{settings.contact})",
        "x-tellapart-delivery": delivery,
        "x-tellapart-signature": signature(settings, owner, body, at),
    }
    failure: list[SendError] = []

    def work() -> None:
        try:
            asyncio.run(_post(settings, url, body, headers, context))
        except SendError as error:
            failure.append(error)

    # In a thread of its own: the caller's may have an event loop already.
    thread = threading.Thread(target=work, name="webhook")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]


async def _post(
    settings: Settings,
    url: str,
    body: bytes,
    headers: dict[str, str],
    context: ssl.SSLContext | None,
) -> None:
    guard = Guard(settings.allow_hosts)
    transport = Transport(
        guard,
        max_connections=1,
        trust_proxies=settings.trust_proxies,
        ssl_context=context or httpx.create_ssl_context(),
    )
    try:
        target = guard.check(url)
        fields = {"host": target.netloc, "content-length": str(len(body)), **headers}
        raw = [(name.encode("ascii"), value.encode("utf-8")) for name, value in fields.items()]
        async with asyncio.timeout(ALL_S):
            response = await transport.send(target, raw, method=b"POST", content=body)
            status = response.status
            await response.aclose()
    except TellapartError as error:
        # What the guard refuses today it refuses tomorrow; a name may resolve again.
        never = getattr(error, "reason", "") in ("private_address", "scheme", "port", "bad_url")
        raise SendError("never" if never else "later", error.what) from None
    except TimeoutError:
        raise SendError("later", f"no answer within {ALL_S:.0f} s") from None
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
        raise SendError("later", str(error)[:200] or type(error).__name__) from None
    except Exception as error:  # a webhook never fails what it tells of
        raise SendError("later", f"{type(error).__name__}: {str(error)[:200]}") from None
    finally:
        await transport.aclose()
    if status == 410:
        raise SendError("never", "the receiver answered 410: it wants no more of these")
    if not 200 <= status < 300:
        raise SendError("later", f"the receiver answered {status}")


def _secrets(settings: Settings, owner: str) -> list[str]:
    keys = Keys(settings).derive(f"webhook {owner}")
    return ["whsec_" + base64.urlsafe_b64encode(key).decode("ascii").rstrip("=") for key in keys]

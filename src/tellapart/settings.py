"""Settings from the environment: one frozen object, read where a process starts."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import platformdirs

from tellapart.errors import InputError

#: An owner's name is a folder's too.
_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]{0,63}")


def _variable(name: str, doc: str, **kwargs: Any) -> Any:
    return field(metadata={"env": name, "doc": doc}, **kwargs)


def cores() -> int:
    """Cores that this process may use: of a container fewer than its machine has."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Settings:
    """Everything that differs between machines. Each field names its environment variable."""

    home: Path = _variable(
        "TELLAPART_HOME",
        "Folder of the database, files, projects and cache.",
        default_factory=lambda: Path(platformdirs.user_data_dir("tellapart")),
    )
    database_url: str | None = _variable(
        "TELLAPART_DATABASE_URL",
        "Database by URL, such as `postgresql://user:password@host/name`; none: a file in the "
        "home folder.",
        default=None,
        repr=False,  # it may hold a password, which must not get into a log
    )
    owner: str = _variable(
        "TELLAPART_OWNER",
        "Whose projects are opened: an account's id; empty: those of the single user.",
        default="",
    )
    public_url: str = _variable(
        "TELLAPART_URL",
        "Address under which people reach `tellapart up`: the base of the links in mails.",
        default="http://127.0.0.1:8080",
    )
    mail_url: str | None = _variable(
        "TELLAPART_MAIL",
        "Server that sends mail: `smtp://user:password@host:port` (STARTTLS) or "
        "`smtps://…`; none: nothing is mailed.",
        default=None,
        repr=False,
    )
    mail_from: str = _variable(
        "TELLAPART_MAIL_FROM",
        "Sender of the mails; needed where mail is sent.",
        default="",
    )
    mail_attach_mb: float = _variable(
        "TELLAPART_MAIL_ATTACH_MB",
        "Largest bundle attached to a mail, in MB; a larger one is linked.",
        default=10.0,
    )
    secret_key: str | None = _variable(
        "TELLAPART_SECRET_KEY",
        "Key that signs links and encrypts stored credentials, 32 characters at least; none: the "
        "file `secret.key` in the home folder, made on first use.",
        default=None,
        repr=False,
    )
    token: str | None = _variable(
        "TELLAPART_TOKEN",
        "Token that lets `--server` in: one made on the server's account page.",
        default=None,
        repr=False,
    )
    runs_at_once: int = _variable(
        "TELLAPART_RUNS_AT_ONCE", "Runs that one worker walks at once.", default=1
    )
    worker_nice: int = _variable(
        "TELLAPART_WORKER_NICE",
        "How far the workers of `up` stand back behind its pages: 0 (not at all) to 19.",
        default=10,
    )
    contact: str = _variable(
        "TELLAPART_CONTACT",
        "Address in the User-Agent: where a site's owner can reach you.",
        default="https://github.com/tellapart/tellapart",
    )
    allow_hosts: tuple[str, ...] = _variable(
        "TELLAPART_ALLOW_HOSTS",
        "Hosts (`name:port,…`) that the guard admits although their addresses are private.",
        default=(),
    )
    trust_proxies: bool = _variable(
        "TELLAPART_TRUST_PROXIES",
        "1: use HTTP_PROXY and the like. The proxy then resolves names, past the guard.",
        default=False,
    )
    openverse_url: str = _variable(
        "TELLAPART_OPENVERSE_URL",
        "Base URL of the Openverse API.",
        default="https://api.openverse.org/v1",
    )
    openverse_token: str | None = _variable(
        "TELLAPART_OPENVERSE_TOKEN",
        "Bearer token for Openverse; without one the anonymous limits apply.",
        default=None,
        repr=False,  # a secret must not get into a log by way of a printed object
    )
    commons_url: str = _variable(
        "TELLAPART_COMMONS_URL",
        "URL of the Wikimedia Commons API.",
        default="https://commons.wikimedia.org/w/api.php",
    )
    inaturalist_url: str = _variable(
        "TELLAPART_INATURALIST_URL",
        "Base URL of the iNaturalist API.",
        default="https://api.inaturalist.org/v1",
    )
    flickr_url: str = _variable(
        "TELLAPART_FLICKR_URL",
        "URL of the Flickr API.",
        default="https://api.flickr.com/services/rest/",
    )
    flickr_key: str | None = _variable(
        "TELLAPART_FLICKR_KEY",
        "Your API key of Flickr; the source `flickr` needs one.",
        default=None,
        repr=False,
    )
    pexels_url: str = _variable(
        "TELLAPART_PEXELS_URL",
        "Base URL of the Pexels API.",
        default="https://api.pexels.com/v1",
    )
    pexels_key: str | None = _variable(
        "TELLAPART_PEXELS_KEY",
        "Your API key of Pexels; the source `pexels` needs one.",
        default=None,
        repr=False,
    )
    chromium: Path | None = _variable(
        "TELLAPART_CHROMIUM",
        "Program of the browser that the source `browser` drives; none: the Chromium or Chrome on "
        "PATH.",
        default=None,
    )
    chromium_sandbox: bool = _variable(
        "TELLAPART_CHROMIUM_SANDBOX",
        "0: start that browser without its own sandbox, as in containers that forbid it. For the "
        "user root it is always off.",
        default=True,
    )
    record: Path | None = _variable(
        "TELLAPART_RECORD",
        "Folder that keeps the searches and downloads of `collect` as a cassette; none: not kept. "
        "Not for accounts of a server.",
        default=None,
    )
    replay: Path | None = _variable(
        "TELLAPART_REPLAY",
        "Cassette that `collect` is played from, without network; none: the sources are asked. "
        "Not for accounts of a server.",
        default=None,
    )
    tinder_url: str = _variable(
        "TELLAPART_TINDER_URL",
        "Base URL of the service behind the deck source `tinder` (an extra, off by default).",
        default="https://api.gotinder.com",
    )
    max_connections: int = _variable(
        "TELLAPART_MAX_CONNECTIONS", "Requests under way at once, all hosts.", default=32
    )
    max_per_host: int = _variable(
        "TELLAPART_MAX_PER_HOST", "Requests under way at once, one host.", default=8
    )
    fetch_timeout: float = _variable(
        "TELLAPART_FETCH_TIMEOUT", "Seconds one request may take in all.", default=30.0
    )
    max_download_mb: float = _variable(
        "TELLAPART_MAX_DOWNLOAD_MB", "Largest file fetched, in MB.", default=25.0
    )
    threads: int = _variable(
        "TELLAPART_THREADS",
        "Threads for decoding and inference; 0: as many as cores.",
        default=0,
    )
    sight_precision: Literal["fp32", "bf16"] = _variable(
        "TELLAPART_SIGHT_PRECISION",
        "Precision in which the networks of decks look at pictures: `fp32`; or `bf16`, faster on "
        "CPUs that have it: the decks learn their heads anew.",
        default="fp32",
    )
    datasets_dir: Path | None = _variable(
        "TELLAPART_DATASETS",
        "Folder of original data set files, such as MNIST's; used before any download.",
        default=None,
    )
    datasets_urls: tuple[str, ...] = _variable(
        "TELLAPART_DATASETS_URL",
        "Mirrors of the data sets' files (`url,…`; `{name}` in one stands for the data set's); "
        "none: the publishers'.",
        default=(),
    )
    hub_url: str = _variable(
        "TELLAPART_HUB_URL",
        "Base URL of the hub that pretrained weights, and data sets of `huggingface`, come from.",
        default="https://huggingface.co",
    )
    weights_dir: Path | None = _variable(
        "TELLAPART_WEIGHTS",
        "Folder of pretrained weights (NAME.safetensors, NAME.pth); used before any download.",
        default=None,
    )
    faces: Path | None = _variable(
        "TELLAPART_FACES",
        "File of the face detector YuNet (ONNX), instead of what `weights get yunet` brings.",
        default=None,
    )
    faces_url: str = _variable(
        "TELLAPART_FACES_URL",
        "Base URL that `weights get yunet` fetches it from; its checksum is known.",
        default="https://raw.githubusercontent.com/ShiqiYu/libfacedetection.train/"
        "0047ac24afb1a50a0c6105001c89d1b5b805dbf1/onnx",
    )
    age_sex: str | None = _variable(
        "TELLAPART_AGE_SEX",
        "File or base URL of a model of ages and sexes, for `weights get age_sex`, which shows its "
        "license first; none: neither is estimated.",
        default=None,
    )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from `environ` (default: the process's environment).

        Raises `InputError` for a value of the wrong type.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        for item in fields(cls):
            raw = environ.get(item.metadata["env"], "")
            if raw.strip():
                values[item.name] = _read(item.metadata["env"], raw.strip(), str(item.type))
        return cls(**values)

    def __post_init__(self) -> None:
        if self.owner and not _OWNER.fullmatch(self.owner):
            raise InputError(
                f"The owner is {self.owner!r}.",
                expected="an account's id, such as u_4k2v7q: letters, digits and underscores",
                do="List the accounts (tellapart accounts list), or unset TELLAPART_OWNER.",
            )

        if self.sight_precision not in ("fp32", "bf16"):
            raise InputError(
                f"The precision is {self.sight_precision!r}.",
                expected="fp32 or bf16",
                do="Correct TELLAPART_SIGHT_PRECISION, or unset it.",
            )

    @property
    def worker_threads(self) -> int:
        """Threads to use for decoding and inference."""
        return self.threads or cores()

    @property
    def database_path(self) -> Path:
        """The database's file, where no `database_url` names another one."""
        return self.home / "tellapart.sqlite"

    @property
    def files_dir(self) -> Path:
        """Downloaded pictures, named by their SHA-256."""
        return self.home / "files"

    @property
    def owner_dir(self) -> Path:
        """The folder of what belongs to `owner` alone; the home itself for the single user."""
        return self.home / "accounts" / self.owner if self.owner else self.home

    @property
    def projects_dir(self) -> Path:
        """The folders of the owner's projects."""
        return self.owner_dir / "projects"

    @property
    def cache_dir(self) -> Path:
        """Only what can be made again: features, backbone graphs, compiled models."""
        return self.home / "cache"


def secrets(settings: Settings) -> tuple[str, ...]:
    """The values that nothing may write down: those that a printed object leaves out."""
    hidden = (getattr(settings, item.name) for item in fields(settings) if not item.repr)
    return tuple(value for value in hidden if isinstance(value, str) and value)


def _read(name: str, raw: str, kind: str) -> Any:
    try:
        if kind.startswith("Path"):
            return Path(raw).expanduser().absolute()
        if kind == "int":
            return _positive(int(raw), whole=True)
        if kind == "float":
            return _positive(float(raw), whole=False)
        if kind == "bool":
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[
                raw.lower()
            ]
    except (KeyError, ValueError):
        words = {"int": "a whole number from 0 up", "float": "a number above 0", "bool": "1 or 0"}
        raise InputError(
            f"The setting {name} is {raw!r}.",
            expected=words[kind],
            do=f"Set {name} to a value of that kind, or unset it.",
        ) from None
    if kind.startswith("tuple"):
        parts = (part.strip() for part in raw.split(","))
        # A host has no case, the path of a URL has.
        return tuple(part if "/" in part else part.lower() for part in parts if part)
    return raw


def _positive(number: Any, *, whole: bool) -> Any:
    if not (0 <= number < float("inf")) or (number == 0 and not whole):
        raise ValueError(number)
    return number

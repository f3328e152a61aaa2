"""The verb that serves bundles over HTTP."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tellapart.cli.console import tell, write
from tellapart.cli.options import Quiet
from tellapart.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from tellapart.serving import spawn

_TOKENS = "TELLAPART_SERVE_TOKENS"
_LIMITS, _ENGINE = "Limits", "Engine"


def serve(
    context: typer.Context,
    bundles: Annotated[
        list[str],
        typer.Argument(
            metavar="BUNDLE…",
            help="Bundles' zips or unpacked folders, folders of versions (the newest of each "
            "name is served), or projects' names.",
        ),
    ],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="TCP port; 0: any free one; -1: no TCP.")] = 8080,
    socket: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Unix socket; default: where `compute` looks for it."),
    ] = None,
    no_socket: Annotated[bool, typer.Option("--no-socket", help="No Unix socket.")] = False,
    grpc_port: Annotated[
        int | None, typer.Option(metavar="PORT", help="Also gRPC on this port; 0: any free one.")
    ] = None,
    watch: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="Look so often for newer bundles; 0: never."),
    ] = 0.0,
    drain: Annotated[
        float, typer.Option(metavar="SECONDS", help="What running requests get at the end.")
    ] = 10.0,
    log: Annotated[
        str, typer.Option(metavar="requests|events|off", help="What is logged, in JSON lines.")
    ] = "events",
    cors: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="Let pages of this origin ask; *: any. Repeatable."),
    ] = None,
    no_urls: Annotated[bool, typer.Option("--no-urls", help="Fetch no pictures by URL.")] = False,
    tokens_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=f"Ask for a bearer token; the file holds one a line. Also {_TOKENS} (t1,t2).",
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(help="Processes that answer; 0: one a core.", rich_help_panel=_ENGINE),
    ] = 0,
    threads: Annotated[
        int, typer.Option(help="Threads of each; 0: by itself.", rich_help_panel=_ENGINE)
    ] = 0,
    engine: Annotated[
        str,
        typer.Option(
            metavar="auto|onnxruntime|openvino",
            help="What runs the model; auto: as measured.",
            rich_help_panel=_ENGINE,
        ),
    ] = "auto",
    precision: Annotated[
        str,
        typer.Option(
            metavar="auto|f32|bf16|f16|int8",
            help="In which numbers; auto: as measured.",
            rich_help_panel=_ENGINE,
        ),
    ] = "auto",
    device: Annotated[
        str, typer.Option(metavar="cpu|cuda", help="On what.", rich_help_panel=_ENGINE)
    ] = "cpu",
    max_batch: Annotated[
        int,
        typer.Option(help="Pictures answered together; 0: by itself.", rich_help_panel=_ENGINE),
    ] = 0,
    batch_delay: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            help="How long a picture may wait for company; 0: never.",
            rich_help_panel=_ENGINE,
        ),
    ] = 0.0,
    max_queue: Annotated[
        int, typer.Option(help="Pictures that may wait, else 503.", rich_help_panel=_LIMITS)
    ] = 256,
    max_queue_mb: Annotated[
        float, typer.Option(help="MB of pictures that may wait.", rich_help_panel=_LIMITS)
    ] = 256.0,
    deadline: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="Until an answer, else 504.", rich_help_panel=_LIMITS),
    ] = 10.0,
    hang: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", help="Until a silent worker is replaced.", rich_help_panel=_LIMITS
        ),
    ] = 10.0,
    max_body: Annotated[
        float,
        typer.Option(metavar="MB", help="Largest body, else 413.", rich_help_panel=_LIMITS),
    ] = 25.0,
    max_pixels: Annotated[
        int, typer.Option(help="Most pixels of a picture, else 422.", rich_help_panel=_LIMITS)
    ] = 50_000_000,
    max_pictures: Annotated[
        int, typer.Option(help="Most pictures of a request, else 413.", rich_help_panel=_LIMITS)
    ] = 64,
    max_connections: Annotated[
        int, typer.Option(help="Connections open at once.", rich_help_panel=_LIMITS)
    ] = 1000,
    read_timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", help="Until a request is there, else 408.", rich_help_panel=_LIMITS
        ),
    ] = 30.0,
    rate: Annotated[
        float,
        typer.Option(
            help="Requests a second for each client, else 429; 0: any.", rich_help_panel=_LIMITS
        ),
    ] = 0.0,
    burst: Annotated[
        int,
        typer.Option(help="At once before it counts; 0: twice the rate.", rich_help_panel=_LIMITS),
    ] = 0,
    quiet: Quiet = False,
) -> None:
    """Serve bundles over HTTP: the resident predictor.

    Answers POST /predict (a picture's bytes, a form with files, or JSON), the Open Inference
    Protocol and Label Studio; http://HOST:PORT/docs is a page to try it. One line says when it is
    ready. SIGTERM stops it when what is begun is answered, SIGHUP loads the bundles anew. It asks
    for no token unless told to: do not listen on other addresses than this machine's without.
    """
    from tellapart.serving.client import default_socket
    from tellapart.serving.options import Options
    from tellapart.serving.run import serve as run

    if not no_socket and socket is None:
        socket = Path(default_socket(make=True))
    options = Options(
        bundles=tuple(_bundle(text, watched=watch > 0) for text in bundles),
        host=host,
        port=None if port < 0 else port,
        socket=None if no_socket else socket,
        grpc_port=grpc_port,
        workers=workers,
        threads=threads,
        engine=engine,
        precision=precision,
        device=device,
        max_queue=max_queue,
        max_queue_mb=max_queue_mb,
        max_batch=max_batch,
        batch_delay=batch_delay,
        deadline=deadline,
        hang=hang,
        drain=drain,
        max_body_mb=max_body,
        max_pixels=max_pixels,
        max_pictures=max_pictures,
        max_connections=max_connections,
        read_timeout=read_timeout,
        rate=rate,
        burst=burst,
        tokens=_tokens(tokens_file),
        urls=not no_urls,
        cors=tuple(cors or ()),
        watch=watch,
        log=log,  # type: ignore[arg-type]  # the options say what is wrong with another word
    )
    if not (options.tokens or _is_own(host)) and options.port is not None:
        tell(f"Whoever reaches {host} may ask this server: it asks for no token (--tokens-file).")
    # `main` began to load before the options were read; the other way here is through all verbs.
    code = run(options, (lambda _: None) if quiet else write, context.obj)
    if code:
        raise typer.Exit(code)


def main(argv: list[str], begun: spawn.Child | None) -> Any:
    """This verb by itself, without what the others import; its exit code, or None.

    `begun`: the process that will load the bundles, where it has been started already.
    """
    app = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.command("serve")(serve)
    return app(argv, prog_name="tellapart serve", standalone_mode=False, obj=begun)


def _bundle(text: str, *, watched: bool) -> Path:
    """A path, or a project's latest bundle; where newer ones are looked for, their folder."""
    if Path(text).exists():
        return Path(text)
    from tellapart.cli.bundles import bundle_path

    found = bundle_path(text)
    return found.parent if watched else found


def _tokens(file: Path | None) -> tuple[str, ...]:
    """The tokens in a file and in the environment. Raises `InputError`, `NotFoundError`."""
    found = [token.strip() for token in os.environ.get(_TOKENS, "").split(",")]
    if file is not None:
        try:
            text = file.read_text(encoding="ascii")
        except FileNotFoundError:
            raise NotFoundError(
                f"There is no file {str(file)!r}.",
                expected="a file with one token a line",
                do="Make it, for example with `openssl rand -hex 32`.",
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"The file {str(file)!r} cannot be read: {error}.",
                expected="a file with one token a line, in ASCII",
                do="Correct it.",
            ) from None
        lines = [line.strip() for line in text.splitlines()]
        found += [line for line in lines if not line.startswith("#")]
        if not any(found):
            raise InputError(
                f"The file {str(file)!r} holds no token.",
                expected="one token a line",
                do="Write one into it, for example with `openssl rand -hex 32`.",
            )
    return tuple(dict.fromkeys(token for token in found if token))


def _is_own(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")

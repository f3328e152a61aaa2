"""Where the command line begins and ends: dispatch, errors to messages, messages to exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from tellapart.errors import InputError, Interrupted, TellapartError

WELCOME = """\
Tellapart: from the things you want told apart to a verified picture classifier.

  tellapart demo                 see it work: offline, on pictures the program draws
  tellapart make apple pear      search for pictures of these words and train on them
  tellapart train FOLDER         train on your own pictures, one sub-folder a class

`tellapart --help` lists every verb, `tellapart path` says where everything is kept."""


def main(argv: Sequence[str]) -> int:
    """Run one command; return its exit code. Never raises, but for bugs in the reporting."""
    as_json = "--json" in (argv[: argv.index("--")] if "--" in argv else argv)
    try:
        return _dispatch(list(argv))
    except TellapartError as error:
        return _report(error, as_json)
    except KeyboardInterrupt:
        return _report(_stopped(), as_json)
    except BrokenPipeError:
        return _pipe_closed()
    except Exception as error:
        usage = _as_usage(error, argv)
        if usage is not None:
            return _report(usage, as_json)
        if os.environ.get("TELLAPART_DEBUG"):
            raise
        return _report(_unforeseen(error), as_json)


def _dispatch(argv: list[str]) -> int:
    if argv[:1] == ["compute"]:  # asked once a picture: nothing that it does not need is imported
        from tellapart.cli import compute

        if not compute.wants_help(argv[1:]):
            return compute.main(argv[1:])
    from tellapart.cli.console import guard_streams, write

    guard_streams()
    # These two answer before Typer is imported: they are what people and scripts try first.
    if not argv and "_TELLAPART_COMPLETE" not in os.environ:  # set by shell completion
        write(WELCOME)
        return 0
    if argv == ["--version"]:
        import tellapart

        write(tellapart.__version__)
        return 0
    if argv[:1] == ["serve"]:  # ready within half a second: the other verbs stay unread
        from tellapart.serving import spawn

        # A second process imports what the workers need while this one reads its options.
        begun = None if {"-h", "--help"} & set(argv) else spawn.begin()
        from tellapart.cli import serving

        code = serving.main(argv[1:], begun)
    else:
        from tellapart.cli.app import build
        from tellapart.cli.options import fill_in

        code = build()(fill_in(argv), prog_name="tellapart", standalone_mode=False)
    if code == 130:  # Typer turns Ctrl-C into this exit
        raise _stopped()
    sys.stdout.flush()
    return code if isinstance(code, int) else 0


def _report(error: TellapartError, as_json: bool) -> int:
    from tellapart.cli.console import complain, emit

    try:
        complain(error)
        if as_json:
            emit(error.to_dict())
    except BrokenPipeError:
        _pipe_closed()
    return error.exit_code


def _pipe_closed() -> int:
    """Whoever read our output has gone: say nothing more, not even at exit."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123 - a device
        for stream in (sys.stdout, sys.stderr):
            try:
                os.dup2(nowhere.fileno(), stream.fileno())
            except (OSError, ValueError):
                continue
    return 1


def _stopped() -> Interrupted:
    return Interrupted(
        "Stopped.",
        expected="the command to be let finish",
        do="Run the same command again: it goes on from what is done.",
    )


def _as_usage(error: Exception, argv: Sequence[str]) -> InputError | None:
    """Typer's complaint about the arguments in our three parts; None for anything else.

    Told by its shape: Typer has carried these classes under two names so far.
    """
    speak = getattr(error, "format_message", None)
    if speak is None or not hasattr(error, "exit_code"):
        return None
    context = getattr(error, "ctx", None)
    if context is None:  # as for an option without its value
        verb = " ".join(["tellapart", *(word for word in argv[:1] if not word.startswith("-"))])
        usage = "options and values as its help lists them"
    else:
        verb = context.command_path
        usage = " ".join(context.get_usage().removeprefix("Usage: ").split())
    return InputError(str(speak()).strip(), expected=usage, do=f"See `{verb} --help`.")


def _unforeseen(error: Exception) -> TellapartError:
    text = str(error).strip().splitlines()
    return TellapartError(
        f"{type(error).__name__}: {text[0] if text else 'no message'}",
        expected="the command to finish or to say what is wrong",
        do="This is a fault of ours. Set TELLAPART_DEBUG=1, run the same command again for the "
        "traceback, and report it. What is done is kept.",
    )

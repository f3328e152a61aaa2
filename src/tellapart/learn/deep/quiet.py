"""Exporters tell their progress and their doubts; ours are in the proof that follows."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

from tellapart.errors import MissingExtraError

_LOGGERS = ("coremltools", "torch", "torch.onnx", "onnxscript")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing that libraries print or log inside reaches the terminal; errors are still raised."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def coremltools() -> Any:
    """The library, imported without its greetings. Raises `MissingExtraError`."""
    try:
        with quiet():
            import coremltools as found
            import coremltools.proto.MIL_pb2
            import coremltools.proto.Model_pb2
    except ImportError as error:
        raise MissingExtraError(
            "Core ML models are made by coremltools, which is not installed.",
            expected="the extra [deep]",
            do="Run: pip install 'tellapart[deep]'",
        ) from error
    return found


def first_line(error: Exception) -> str:
    """What went wrong, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")

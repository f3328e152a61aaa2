"""The worker's process: claim runs, walk them, say that it lives, send what is due."""

from __future__ import annotations

from tellapart.settings import Settings


def main(settings: Settings, *, at_once: int | None = None) -> int:
    """Work until SIGTERM or Ctrl-C; return the exit code.

    `at_once`: runs walked at the same time, default `settings.runs_at_once`. A run that is under
    way when the process ends goes on in another worker, at the step that was cut off. Raises
    `StorageError` where the database cannot be used.
    """
    raise NotImplementedError

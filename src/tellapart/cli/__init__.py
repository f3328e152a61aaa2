"""The command line: one verb a method, the same words as in Python.

Importing this is cheap; Typer and Rich come in when a verb is run.
"""

from tellapart.cli.entry import main

__all__ = ["main"]

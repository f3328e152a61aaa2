"""What one account may see and do: the only way of faces to projects, runs, pictures, versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tellapart.catalog.looking import PictureFilter
from tellapart.runtime.desk.shapes import (
    Decided,
    Download,
    FileKind,
    Group,
    Health,
    Original,
    Page,
    ProjectCard,
    ProjectView,
    Threshold,
    Thumbnail,
    Usage,
    VersionView,
)

if TYPE_CHECKING:
    from tellapart.runtime.desk.desk import Desk

__all__ = [
    "Decided",
    "Desk",
    "Download",
    "FileKind",
    "Group",
    "Health",
    "Original",
    "Page",
    "PictureFilter",
    "ProjectCard",
    "ProjectView",
    "Threshold",
    "Thumbnail",
    "Usage",
    "VersionView",
]


def __getattr__(name: str) -> Any:
    if name == "Desk":
        from tellapart.runtime.desk.desk import Desk

        return Desk
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

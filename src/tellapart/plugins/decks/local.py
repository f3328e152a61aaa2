"""What the sources on this machine share: the path in their options, pictures beside a list."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tellapart.doors import Act, ActAnswer, DeckContext, DeckOption, DeckPicture, DeckSource
from tellapart.errors import FetchError, InputError
from tellapart.fetch import datauri
from tellapart.plugins.formats.places import Places

MOST_PICTURES = 50


class LocalDeck(DeckSource):
    """A deck of this machine's files: acts are recorded and go nowhere."""

    acts = False
    local = True
    #: What the path must lead to.
    kind = "folder"
    options = (DeckOption("path", "Path", "a path on this machine", kind="path", required=True),)

    def __init__(self, context: DeckContext) -> None:
        super().__init__(context)
        self.check(context.options)
        self.path = Path(str(context.options["path"])).expanduser().absolute()

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        super().check(options)
        path = Path(str(options["path"])).expanduser().absolute()
        if not (path.is_dir() if cls.kind == "folder" else path.is_file()):
            raise InputError(
                f"{str(path)!r} is no {cls.kind} on this machine.",
                expected=f"a {cls.kind} of candidates",
                do="Check the path for mistakes.",
            )

    async def act(self, ref: str, action: Act, key: str) -> ActAnswer:
        """Nothing is sent: the verdict that is on record is all there is."""
        return ActAnswer("done", detail={"recorded": True})


def picture(value: object, places: Places | None, most: int) -> DeckPicture:
    """One entry of a list of pictures: an address, a `data:` URI, or a path below `places`.

    What cannot be used stays as a picture without bytes: it counts, and reading it fails.
    """
    if isinstance(value, Mapping):
        value = value.get("url") or value.get("path")
    if not isinstance(value, str) or not value.strip():
        return DeckPicture()
    value = value.strip()
    if datauri.is_data(value):
        try:
            return DeckPicture(data=datauri.decode(value, most))
        except FetchError:
            return DeckPicture()
    if places is None or value.lower().startswith(("http://", "https://")):
        return DeckPicture(file_url=value)
    path, problem = places.find(value)
    return DeckPicture() if problem or path is None else DeckPicture(path=path)

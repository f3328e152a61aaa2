"""Who is to be seen in a picture: faces, and what the models at hand estimate of them."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tellapart import images
from tellapart.doors import Analyzer, Picture
from tellapart.learn.faces import People
from tellapart.learn.faces.people import HINT, VERSION
from tellapart.learn.faces.stored import to_rows
from tellapart.settings import Settings


class Faces(Analyzer):
    """Faces by YuNet; ages and sexes by the model that the settings name, if any.

    - `faces`: how many there are; where none stands upright, also in the picture turned;
    - `people`: JSON, an object a face, the largest first: see `learn.faces.stored`.

    Private: nobody asks it unless faces are wanted, and its figures lie in a table of their own.
    """

    name = "faces"
    version = VERSION
    private = True

    def __init__(self, settings: Settings | None = None) -> None:
        """Load the models; see `People`."""
        self.people = People(settings or Settings.from_env())

    def measure(self, picture: Picture) -> Mapping[str, float | int | str]:
        # What other analyzers get is too small for faces.
        found = self.people.look(images.decode(picture.data, hint=HINT))
        return {"faces": len(found), "people": json.dumps(to_rows(found))}

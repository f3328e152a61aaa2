"""Deeper training: the deck's labels as a data set that any project can be trained on."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from tellapart.decks.ledger import Ledger
from tellapart.store.files import write_file

#: Labelled candidates of each kind from which on a training is worth it.
LEAST = 20


def write_labels(ledger: Ledger, folder: Path, target: Path) -> int:
    """Write `path,label,group` of every picture that is kept of a candidate with a label to learn
    from; what is held back for the gate and the frozen test stays out. How many rows."""
    said = {one.candidate: one for one in ledger.said() if one.part == "train"}
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("path", "label", "group"))
    rows = 0
    for candidate in ledger.candidates(list(said)):
        for picture in candidate.pictures:
            path = folder / "pictures" / picture.sha256
            if picture.sha256 and not picture.problem and path.is_file():
                where = path.relative_to(folder) if target.parent == folder else path
                writer.writerow((where, said[candidate.id].label, candidate.id))
                rows += 1
    write_file(target, out.getvalue().encode())
    return rows


def worth(ledger: Ledger) -> int:
    """Labelled candidates to learn from; 0 where there are too few of one kind."""
    labels = [one.label for one in ledger.said() if one.part == "train"]
    return len(labels) if min(labels.count("like"), labels.count("pass")) >= LEAST else 0

"""Prove that a bundle is whole and answers as it did when it was made."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tellapart.bundle.archive import MODEL_LIMIT, Archive, open_archive, refuse
from tellapart.bundle.manifest import NEWER, TOLERANCE, Manifest, read_sums
from tellapart.bundle.predictor import (
    LABELS,
    MANIFEST,
    MODEL,
    SUMS,
    Bundle,
    EngineName,
    Session,
    read_model,
)
from tellapart.errors import TellapartError, VerificationError

#: Every bundle has these beside its data set.
REQUIRED = (MANIFEST, MODEL, LABELS, SUMS)

#: Longest text of labels in the model's metadata that is parsed: parsing takes many times its size.
_NAMES_LIMIT = 2**20

#: How far a variant's probability may be from the exact model's, where nothing greater is recorded:
#: one that rounds moves them by as much as a class that is not sure, other models by more.
_VARIANT_TOLERANCE = 0.5


@dataclass(frozen=True)
class Report:
    """What was checked in a bundle that passed."""

    path: str
    name: str
    version: int
    #: Files whose SHA-256 was compared.
    files: int
    #: Golden examples predicted again, and their largest difference of probability.
    golden: int
    max_difference: float
    engine: str
    #: What the bundle answers, and so what the golden examples are: `picture` or `row`.
    kind: str = "picture"
    #: False: training was stopped before its end.
    finished: bool = True

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def verify(path: str | Path, *, engine: EngineName = "onnxruntime", threads: int = 0) -> Report:
    """Check a bundle, zip or folder: names, sums, manifest, labels, golden pictures or rows.

    A file too many counts like a file too few. Golden examples must get their probabilities and
    familiarity within 1e-3. A variant that the manifest names, such as the int8 model, must be
    there, have the sum that it names, run, and answer them about alike. An unfinished training is
    no fault: the report says so. Raises `NotFoundError`, or `VerificationError` that lists every
    problem found.
    """
    with open_archive(path) as archive:
        problems = [problem for problem in [archive.seal_problem()] if problem]
        problems += [f"the file {name!r} is missing" for name in REQUIRED if name not in archive]
        files = _compare_sums(archive, problems) if SUMS in archive else 0
        if problems:
            # A newer format may have other files and other sums: then that is all there is to say.
            raise refuse(archive.path, _newer(archive) or problems)
        manifest, model = read_model(archive)
        session = Session(model, engine=engine, threads=threads)
        problems += _label_problems(archive, manifest, session)
        problems += _format_problems(archive, manifest)
        bundle = Bundle(manifest, session, archive.path)
        worst = _golden(archive, manifest, bundle, problems)
        problems += _variant_problems(archive, manifest, engine, threads)
        if problems:
            raise refuse(archive.path, problems)
    return Report(
        path=str(path),
        name=manifest.name,
        version=manifest.version,
        files=files,
        golden=len(manifest.golden),
        max_difference=worst,
        engine=engine,
        kind="picture" if manifest.rows is None else "row",
        finished=manifest.finished,
    )


def _compare_sums(archive: Archive, problems: list[str]) -> int:
    try:
        sums, faults = read_sums(archive.read(SUMS))
    except TellapartError as error:
        problems.append(error.what)
        return 0
    problems += faults
    present = set(archive.names) - {SUMS}
    problems += [f"the file {name!r} is missing" for name in sorted(sums.keys() - present)]
    problems += [
        f"the file {name!r} is not in SHA256SUMS" for name in sorted(present - sums.keys())
    ]
    for name in sorted(present & sums.keys()):
        try:
            same = archive.sha256(name) == sums[name]
        except TellapartError:
            same = False
        if not same:
            problems.append(f"the content of {name!r} is not what SHA256SUMS says")
    return len(sums)


def _newer(archive: Archive) -> list[str]:
    try:
        problems = Manifest.parse(archive.read(MANIFEST))[1] if MANIFEST in archive else []
    except TellapartError:
        return []
    return [problem for problem in problems if NEWER in problem]


def _label_problems(archive: Archive, manifest: Manifest, session: Session) -> list[str]:
    problems = []
    listed = archive.read(LABELS).decode("utf-8", "replace")
    if listed != labels_text(manifest.labels):
        problems.append("labels.txt and manifest.json name different labels")
    names = session.metadata.get("names")
    if names is not None and _names(names) != manifest.labels:
        problems.append("the model's metadata and manifest.json name different labels")
    return problems


def _format_problems(archive: Archive, manifest: Manifest) -> list[str]:
    """Formats that the manifest promises and that are not there."""
    formats = manifest.raw.get("formats")
    problems = []
    for told in formats.values() if isinstance(formats, dict) else ():
        files = told.get("files") if isinstance(told, dict) else None
        for name in files if isinstance(files, list) else ():
            start = f"{name}/"
            if name not in archive.names and not any(n.startswith(start) for n in archive.names):
                problems.append(f"the file {str(name)[:200]!r} is missing")
    return problems


def _variant_problems(
    archive: Archive, manifest: Manifest, engine: EngineName, threads: int
) -> list[str]:
    """What is wrong with other models that the manifest promises; one left out has no `file`."""
    problems: list[str] = []
    for name, facts in _variants(manifest, problems):
        file = facts["file"]
        if not isinstance(file, str) or file not in archive:
            problems.append(f"the file {str(file)[:200]!r} is missing")
            continue
        if archive.sha256(file) != facts.get("sha256"):
            problems.append(f"the content of {file!r} is not what manifest.json says")
            continue  # no engine's parser gets it
        try:
            session = Session(archive.read(file, MODEL_LIMIT), engine=engine, threads=threads)
        except VerificationError as error:
            problems.append(f"the variant {name!r}: {error.what}")
            continue
        agreed = facts.get("agreement")
        largest = agreed.get("largest") if isinstance(agreed, Mapping) else None
        room = max(_VARIANT_TOLERANCE, largest if isinstance(largest, float) else 0.0)
        found: list[str] = []
        bundle = Bundle(manifest, session, archive.path)
        _golden(archive, manifest, bundle, found, room)
        problems += [f"the variant {name!r}: {problem}" for problem in found]
    return problems


def _variants(manifest: Manifest, problems: list[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Names and facts of the variants that name a file; what is not well-formed is a problem."""
    variants = manifest.raw.get("variants", {})
    if not isinstance(variants, Mapping):
        problems.append("manifest.json: `variants` is not an object")
        return
    for name, facts in variants.items():
        if not isinstance(facts, Mapping):
            problems.append(f"manifest.json: the variant {name[:200]!r} is not an object")
        elif "file" in facts:
            yield name[:200], facts


def labels_text(labels: tuple[str, ...] | list[str]) -> str:
    """The content of `labels.txt`: one label a line, in the model's order."""
    return "".join(" ".join(label.splitlines()) + "\n" for label in labels)


def _names(text: str) -> tuple[str, ...] | None:
    """Labels out of the widely read form `{0: 'apple', 1: 'pear'}`."""
    try:
        found: Any = ast.literal_eval(text) if len(text) < _NAMES_LIMIT else None
        return tuple(str(found[index]) for index in range(len(found)))
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError):
        return None


def _golden(
    archive: Archive,
    manifest: Manifest,
    bundle: Bundle,
    problems: list[str],
    tolerance: float = TOLERANCE,
) -> float:
    """Predict each golden example again, one at a time as they were; the largest difference."""
    worst = 0.0
    for number, golden in enumerate(manifest.golden):
        name = f"row {number}" if manifest.rows else f"picture {golden.file!r}"
        if not manifest.rows and golden.file not in archive:
            problems.append(f"the golden {name} is missing")
            continue
        try:
            if manifest.rows:
                found = bundle.predict(golden.row or {})
            else:
                found = bundle.predict(archive.read(golden.file))
        except TellapartError as error:
            problems.append(f"the golden {name} gets no answer: {error.what}")
            continue
        odds = np.array(list(found.probabilities.values()))
        away = np.abs(odds - np.array(golden.probabilities)).max()
        if found.familiarity is not None and golden.familiarity is not None:
            away = max(away, abs(found.familiarity - golden.familiarity))
        away = float(away)
        if not away <= tolerance:
            problems.append(
                f"the golden {name} is answered {away:.2g} away from what the "
                f"manifest says (at most {tolerance:g})"
            )
        worst = max(worst, away)
    return worst

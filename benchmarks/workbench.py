"""The workbench: planted clusters and shortcuts found, and how often it warns of nothing.

Drawn logos, and pictures of another class, are planted into every class of the sets; a cluster
counts as found where 95 % of it are in one part of which 95 % are planted. Each cue that gives a
class away is planted into every class of the two sets in which none does so by itself. False alarms
are counted on these sets as they are, and with labels dealt by chance (scenes whole).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from benchmarks import main, need
from benchmarks.beside import chains
from tellapart import recipe
from tellapart.learn import backbone, features
from tellapart.learn.workbench import clustering, edges, giveaways, slicing
from tellapart.project import Project
from tellapart.settings import Settings
from tellapart.steps.workbench.seen import Seen, spread

SETS = ("trashnet_100", "grocery_10", "caltech101_10")
#: In the third, width and height give classes away by themselves.
CLEAN = SETS[:2]
LOGOS = 138
#: Logos planted into a class; `most`: all, which are 69 % of 200.
PLANTED = (8, 15, 30, 60, "most")
FOREIGN = 20
DEALT = 10
#: Pictures of each class in which shortcuts are planted.
EACH = 60
_FOUND = 0.95


def run(data: Path, small: bool) -> dict[str, Any]:
    rows = chains.Rows("workbench", small)
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        settings = Settings(home=home / "home")
        found: dict[str, Any] = {}
        for name in SETS[:1] if small else SETS:
            folder = need(data / name)
            if small:
                folder = chains.few(folder, home / name, 30, 3)
            found[name] = rows.get(name, partial(_of_set, name, folder, settings, small))
        each = 20 if small else 100
        blur = partial(_blurred, need(data / SETS[0]), home, settings, each)
        return {"sets": found, "in_all": _in_all(found), "blurred_slice": rows.get("blurred", blur)}


def _of_set(name: str, folder: Path, settings: Settings, small: bool) -> dict[str, Any]:
    asked = recipe.check({"name": name, "data": str(folder)})
    with Project.create(asked, settings) as project:
        project.run(upto="split", spawn=False)
        seconds = {}
        for look in ("clusters", "copies", "doubtful", "slices", "shortcuts"):
            start = time.perf_counter()
            getattr(project.workbench, look)()
            seconds[look] = round(time.perf_counter() - start, 2)
        warned = [(one.label, one.cue) for one in project.workbench.shortcuts().shortcuts]
        with closing(project.context()) as context:
            seen = Seen(context)
            return {
                "pictures": len(seen.rows),
                "seconds": seconds,
                "clusters": _clusters(seen, _logos(settings)),
                "warnings_as_it_is": warned,
                "weak_slices_as_it_is": [
                    one.name for one in project.workbench.slices().slices if one.weak
                ],
                "planted_shortcuts": _planted(seen, small) if name in CLEAN else None,
                "dealt": _dealt(seen, 3 if small else DEALT),
            }


# -- clusters ---------------------------------------------------------------------------------


def _clusters(seen: Seen, logos: np.ndarray) -> dict[str, Any]:
    """Of every class: logos and pictures of another one planted, and it as it is."""
    labels = np.array([row.label for row in seen.rows])
    vectors = seen.vectors(seen.rows)
    middle = vectors.mean(axis=0)
    names = sorted(set(labels.tolist()))
    found: dict[str, list[bool]] = {str(number): [] for number in PLANTED}
    foreign, clean = [], []
    dice = np.random.default_rng(0)
    for label in names:
        own = vectors[labels == label]
        clean.append(len(clustering.parts(own, middle)))
        for number in PLANTED:
            few = own[: 200 - LOGOS] if number == "most" else own
            some = logos[: len(few) * LOGOS // (200 - LOGOS) if number == "most" else number]
            if number == "most" or 2 * len(some) <= len(own) + 20:  # not at the small scale
                found[str(number)].append(_is_found(few, some, vectors))
        for other in dice.permutation([name for name in names if name != label])[:3].tolist():
            theirs = vectors[labels == other]
            if len(theirs) > FOREIGN:
                chosen = theirs[dice.choice(len(theirs), FOREIGN, replace=False)]
                foreign.append(_is_found(own, chosen, vectors))
    return {
        "classes": len(names),
        "logos_found": {number: [sum(hits), len(hits)] for number, hits in found.items()},
        "foreign_found": [sum(foreign), len(foreign)],
        "parts_as_it_is": clean,
    }


def _is_found(own: np.ndarray, planted: np.ndarray, everything: np.ndarray) -> bool:
    """Whether `planted` come out as one part of the class `own`, in a set with them in it."""
    middle = np.concatenate([everything, planted]).mean(axis=0)
    for part in clustering.parts(np.concatenate([own, planted]), middle):
        hits = int((part.rows >= len(own)).sum())
        if hits >= _FOUND * len(planted) and hits >= _FOUND * len(part.rows):
            return True
    return False


def _logos(settings: Settings) -> np.ndarray:
    net = backbone.embedded(settings.cache_dir)
    items = [(str(n), lambda n=n: _png(_logo(n))) for n in range(LOGOS)]
    found = dict(features.extract(items, net, "squash", settings))
    return np.stack([found[str(n)] for n in range(LOGOS)])


def _logo(number: int) -> Image.Image:
    """One to three marks in two inks on near-white, with letters below."""
    dice = np.random.default_rng(number)
    white, *inks = (
        tuple(int(x) for x in dice.integers(low, high, 3))
        for low, high in ((235, 256), (0, 200), (0, 200))
    )
    image = Image.new("RGB", (200, 200), white)
    pen = ImageDraw.Draw(image)
    for mark in range(int(dice.integers(1, 4))):
        x, y, width, height = (
            int(v) for v in (*dice.integers(15, 90, 2), *dice.integers(40, 100, 2))
        )
        box, ink, thick = (x, y, x + width, y + height), inks[mark % 2], int(dice.integers(6, 20))
        kind = int(dice.integers(5))
        if kind == 0:
            pen.ellipse(box, fill=ink)
        elif kind == 1:
            pen.rounded_rectangle(box, thick, fill=ink)
        elif kind == 2:
            corners = zip(dice.integers(0, width, 5), dice.integers(0, height, 5), strict=True)
            pen.polygon([(x + int(a), y + int(b)) for a, b in corners], fill=ink)
        elif kind == 3:
            pen.ellipse(box, outline=ink, width=thick)
        else:
            pen.arc(box, 10 * thick, 180 + 9 * thick, fill=ink, width=thick)
    size = int(dice.integers(14, 30))
    pen.text((size, 160), f"LOGO {number}", fill=inks[0], font_size=size)
    return image


def _png(image: Image.Image) -> bytes:
    out = BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


# -- shortcuts --------------------------------------------------------------------------------


def _framed(image: Image.Image) -> Image.Image:
    return ImageOps.expand(image, border=max(3, image.width // 40), fill=(20, 20, 20))


def _on_blue(image: Image.Image) -> Image.Image:
    """The picture on a blue ground with the grain of a photograph."""
    width, height = image.size
    grain = np.random.default_rng(0).normal(0, 9, (height, width, 1))
    ground = Image.fromarray(np.clip(np.array([60, 90, 200]) + grain, 0, 255).astype(np.uint8))
    inner = image.resize((round(0.76 * width), round(0.76 * height)))
    ground.paste(inner, (round(0.12 * width), round(0.12 * height)))
    return ground


def _square(image: Image.Image) -> Image.Image:
    return image.crop((0, 0, round(0.8 * image.width), image.height))


def _saved(image: Image.Image, quality: int = 88) -> bytes:
    out = BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


_FAULTS: dict[str, Callable[[Image.Image], bytes]] = {
    "border": lambda image: _saved(_framed(image)),
    "background": lambda image: _saved(_on_blue(image)),
    "picture_size": lambda image: _saved(_square(image)),
    "file_size": lambda image: _saved(image, 30),
}


def _planted(seen: Seen, small: bool) -> dict[str, Any]:
    """Each cue planted into each class, in all of it and in nine of ten pictures: how often told.

    All pictures are saved anew in the same way, so that nothing but the fault differs.
    """
    whole = [row for row in seen.rows if row.kept and not seen.is_copy(row)]
    names_of = sorted({row.label for row in whole})
    of_class = (spread([row for row in whole if row.label == name], EACH) for name in names_of)
    rows = [row for own in of_class for row in own]
    labels = [row.label for row in rows]
    groups = [row.group or row.sha256 for row in rows]
    pictures = [Image.open(row.path).convert("RGB") for row in rows]
    plain = [_facts(_saved(image)) for image in pictures]
    told: dict[str, Any] = {}
    for cue in (*_FAULTS, "source"):
        fault = _FAULTS.get(cue)
        spoilt = [_facts(fault(image)) for image in pictures] if fault else plain
        for share in (1.0, 0.9):
            hits = others = 0
            names = sorted(set(labels))[: 1 if small else None]
            for label in names:
                own = [place for place, name in enumerate(labels) if name == label]
                struck = set(own[: round(share * len(own))])
                facts = [spoilt[n] if n in struck else plain[n] for n in range(len(rows))]
                found_by = {True: "archive", False: "web"}
                sources = [found_by[cue == "source" and n in struck] for n in range(len(rows))]
                warned = _warnings(labels, groups, facts, sources)
                hits += any(one == label and by in (cue, *_KIN.get(cue, ())) for one, by in warned)
                others += sum(one != label for one, _ in warned)
            told[f"{cue}, {share:.0%}"] = {
                "told": [hits, len(names)],
                "warnings_of_other_classes": others,
            }
    return told


#: What another cue of its kin says of the same pictures.
_KIN = {"border": ("background",), "file_size": ("picture_size",)}


def _facts(data: bytes) -> tuple[dict[str, float], dict[str, float]]:
    """Figures of a file as the analyzers give them, as far as cues need them, and those around."""
    with Image.open(BytesIO(data)) as image:
        width, height = image.size
    return {"width": width, "height": height, "bytes": len(data)}, edges.measure(data)


def _warnings(
    labels: Sequence[str],
    groups: Sequence[str],
    facts: Sequence[tuple[dict[str, float], dict[str, float]]],
    sources: Sequence[str],
) -> list[tuple[str, str]]:
    cues = giveaways.cues([one[0] for one in facts], [one[1] for one in facts], sources)
    found = giveaways.search(labels, groups, cues)
    return [(one.label, one.cue) for one in found if one.gives_away]


# -- by chance --------------------------------------------------------------------------------


def _dealt(seen: Seen, trials: int) -> dict[str, Any]:
    """Labels dealt by chance, scenes whole: sets with a warning, and with a weak slice."""
    rows = [row for row in seen.rows if row.kept and not seen.is_copy(row)]
    groups = [row.group or row.sha256 for row in rows]
    names, of = np.unique(groups, return_inverse=True)
    labels = sorted({row.label for row in rows})
    places = {row.id: place for place, row in enumerate(seen.rows)}
    where = [places[row.id] for row in rows]
    around = [one or {} for one in (seen.around[place] for place in where)]
    cues = giveaways.cues([seen.figures[place] for place in where], around, ["web"] * len(rows))
    looked = [slicing.Cut("look", look.name, look.rule, look.mask[where]) for look in seen.looks]
    right = np.array([bool(seen.taken_right(row.id)) for row in rows])
    own = [row.label for row in rows]
    warned = weak = 0
    for trial in range(trials):
        dice = np.random.default_rng(trial)
        dealt = np.array(labels)[dice.integers(0, len(labels), len(names))][of].tolist()
        warned += any(one.gives_away for one in giveaways.search(dealt, groups, cues))
        # Answers dealt anew within their classes: no look has to do with them.
        shuffled = right.copy()
        for label in labels:
            mine = np.flatnonzero(np.array(own) == label)
            shuffled[mine] = right[dice.permutation(mine)]
        told = slicing.Told([row.id for row in rows], own, shuffled, [row.id for row in rows])
        weak += any(one.weak for one in slicing.measure(told, looked))
    return {"sets": trials, "with_a_warning": warned, "with_a_weak_slice": weak}


def _blurred(folder: Path, home: Path, settings: Settings, each: int) -> dict[str, Any]:
    """Every sixth picture blurred until it is hard to tell: is that slice called weak?"""
    target = home / "blurred"
    number = 0
    for kind in sorted(path for path in folder.iterdir() if path.is_dir()):
        (target / kind.name).mkdir(parents=True)
        for path in sorted(kind.iterdir())[:each]:
            number += 1
            with Image.open(path) as picture:
                image = picture.convert("RGB")
            if number % 6 == 0:
                image = image.filter(ImageFilter.GaussianBlur(14))
            image.save(target / kind.name / f"{path.stem}.jpg", quality=88)
    asked = recipe.check({"name": "blurred", "data": str(target)})
    with Project.create(asked, settings) as project:
        project.run(upto="curate", spawn=False)
        found = project.workbench.slices()
    return {
        "accuracy": found.accuracy,
        "weak": [
            {"name": one.name, "n": one.n, "accuracy": one.accuracy, "elsewhere": one.expected}
            for one in found.slices
            if one.weak
        ],
    }


def _in_all(found: dict[str, Any]) -> dict[str, Any]:
    logos: dict[str, list[int]] = {}
    for one in found.values():
        for number, (hits, of) in one["clusters"]["logos_found"].items():
            before = logos.get(number, [0, 0])
            logos[number] = [before[0] + hits, before[1] + of]
    return {
        "logos_found": logos,
        "warnings_on_clean_sets": sum(
            len(one["warnings_as_it_is"]) for name, one in found.items() if name in CLEAN
        ),
        "dealt_sets_with_a_warning": [
            sum(one["dealt"]["with_a_warning"] for one in found.values()),
            sum(one["dealt"]["sets"] for one in found.values()),
        ],
        "dealt_sets_with_a_weak_slice": [
            sum(one["dealt"]["with_a_weak_slice"] for one in found.values()),
            sum(one["dealt"]["sets"] for one in found.values()),
        ],
    }


if __name__ == "__main__":
    main(run)

"""Faults planted into real photographs, found by us, CleanVision, imagededup and cleanlab.

One set a seed (`beside/planting.py`), all tools on it in turns, each as a process of its own and
timed from files to findings. Near duplicates: a pair is right if one is planted as a copy of the
other, or both of a third. Peers run in an environment of their own: TELLAPART_PEERS_CURATION
names it; without, ours is measured alone.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import main, need, spread, timed
from benchmarks.beside.planting import COPIES, Faults, plant
from tellapart.learn import backbone
from tellapart.project import Project
from tellapart.settings import Settings
from tellapart.steps import open_context
from tellapart.steps.curate.material import gather
from tellapart.steps.curate.scoring import score

HERE = Path(__file__).resolve().parent / "beside"
PEERS = ("cleanvision", "phash", "cnn", "cleanlab")
#: Which of our two ways does what a tool does: copies by hash and quality need no features; copies
#: by features, labels and what is off topic do.
_SAME_TASK = {
    "cleanvision": "ours without features",
    "phash": "ours without features",
    "cnn": "ours",
    "cleanlab": "ours",
}
_TOGETHER = ("cleanvision", "phash", "cleanlab")
#: Thresholds of which each of imagededup's methods gets its best, by F1 on all that was planted.
_CNN = (0.8, 0.85, 0.9, 0.95)
_PHASH = (4, 6, 8, 10, 12)
Pairs = set[tuple[str, str]]


def run(data: Path, small: bool) -> dict[str, Any]:
    for name in ("caltech101_10", "trashnet_100", "grocery_10"):
        need(data / name)
    rounds: list[dict[str, Any]] = []
    for seed in range(1 if small else 3):
        with tempfile.TemporaryDirectory() as place:
            home = Path(place)
            each, copies = (12, 3) if small else (None, 60)
            faults = plant(data, home / "set", seed, each, copies)
            rounds.append(_round(home, faults, seed))
    return {
        "pictures": [one["pictures"] for one in rounds],
        "each": {
            tool: _over([one[tool] for one in rounds]) for tool in rounds[0] if tool != "pictures"
        },
    }


def _round(home: Path, faults: Faults, seed: int) -> dict[str, Any]:
    """All tools once, in an order that changes from round to round."""
    found: dict[str, Any] = {"pictures": len(faults)}
    tools = ["ours", "ours without features", *(PEERS if _python() else ())]
    for tool in tools[seed % len(tools) :] + tools[: seed % len(tools)]:
        work = home / tool.replace(" ", "-")
        work.mkdir()
        found[tool] = (_peer if tool in PEERS else _ours)(tool, home / "set", work, faults)
    for tool in sorted(found.keys() & set(PEERS)):
        for ours in ("ours", "ours without features"):
            for clock in ("seconds", "CPU seconds"):
                ratio = found[tool][clock] / found[ours][clock]
                same = ", which does the same" if _SAME_TASK[tool] == ours else ""
                found[tool][f"{clock}, times those of {ours}{same}"] = round(ratio, 3)
    names = ["pictures", *sorted(tools)]
    if _python():
        found["the whole job"] = _whole(found)
        names.append("the whole job")
    return {name: found[name] for name in names}


def _whole(found: dict[str, Any]) -> dict[str, float]:
    """What the cheapest tools take that together do what all of our curation does."""
    told = {}
    for clock in ("seconds", "CPU seconds"):
        peers = sum(found[tool][clock] for tool in _TOGETHER)
        told[f"{clock} of {', '.join(_TOGETHER)}"] = round(peers, 2)
        told[f"{clock}, times those of ours"] = round(peers / found["ours"][clock], 3)
    return told


def _python() -> str:
    folder = os.environ.get("TELLAPART_PEERS_CURATION", "")
    return str(Path(folder) / "bin" / "python") if folder else ""


def _ours(tool: str, folder: Path, work: Path, faults: Faults) -> dict[str, Any]:
    features = tool == "ours"
    command = [sys.executable, str(HERE / "our_curation.py"), str(folder), str(work)]
    seconds = _clocked([*command, str(features).lower()])
    return {**seconds, **_told(Settings(home=work), features, faults)}


def _told(settings: Settings, features: bool, faults: Faults) -> dict[str, Any]:
    """What our project says of the planted."""
    rows = Project.open("planted", settings).pictures()
    name = {row.id: Path(row.path).name for row in rows}
    copies = ("near_duplicate", "exact_duplicate")
    pairs = _named((name[row.id], name[row.detail["of"]]) for row in rows if row.verdict in copies)
    figures: dict[str, Any] = {"near duplicates": _pairs(pairs, faults)}
    broken = {name[row.id] for row in rows if row.verdict == "unreadable"}
    broken |= {Path(row.path).name for row in rows if row.status not in ("ok", "")}
    cut = {file for file, fault in faults.items() if fault.kind == "truncated"}
    figures["truncated found"] = round(len(broken & cut) / len(cut), 4)
    figures["others held to be broken"] = len(broken - cut)
    if features:
        context = open_context(settings, "planted")
        known = context.catalog.pictures(status="ok")
        scores = score(context, known, gather(context, known))
        by_name = {
            kind: {name[one]: value for one, value in scores[kind].items()}
            for kind in ("mislabelled", "off_topic")
        }
        flagged = {name[row.id] for row in rows if row.verdict == "mislabelled"}
        figures["wrong labels"] = _labels(by_name["mislabelled"], flagged, faults)
        figures["off topic"] = _alien(by_name["off_topic"], faults)
        aside = [row for row in rows if row.kept is False]
        figures["clean ones set aside"] = sum(not faults[name[row.id]].kind for row in aside)
    return figures


def _peer(tool: str, folder: Path, work: Path, faults: Faults) -> dict[str, Any]:
    out = work / "found.json"
    weights = str(backbone.embedded(Settings(home=work).cache_dir).weights)
    script = str(HERE / "curation_peers.py")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def asked(place: Path) -> dict[str, float]:
        command = [_python(), script, tool, str(place), str(out), weights]
        return _clocked(command, env=environment)

    cut = {name for name, fault in faults.items() if fault.kind == "truncated"}
    few = sorted(faults)[:40]
    goes_on = True
    try:
        asked(_linked(folder, work / "few", {*few, *sorted(cut)[:1]}))
    except RuntimeError:
        goes_on = False
    # Whoever stops at a broken file would have nothing to show: none gets them.
    seconds = asked(_linked(folder, work / "whole", faults.keys() - cut))
    found = json.loads(out.read_text())
    figures: dict[str, Any] = {
        **seconds,
        "goes on past truncated files": float(goes_on),
    }
    if "sets" in found:
        near = _named(pair for group in found["sets"] for pair in combinations(group, 2))
        figures["near duplicates"] = _pairs(near, faults)
    elif "pairs" in found:
        tried = {}
        for least in _CNN if tool == "cnn" else _PHASH:
            chosen = [
                (one, other)
                for one, other, value in found["pairs"]
                if (value >= least if tool == "cnn" else value <= least)
            ]
            tried[least] = _pairs(_named(chosen), faults)
        best = max(tried, key=lambda least: tried[least]["f1"])
        figures["near duplicates"] = {"best threshold": best, **tried[best]}
    else:
        figures["wrong labels"] = _labels(found["quality"], set(found["issues"]), faults)
        figures["off topic"] = _alien(found["belonging"], faults)
    return figures


def _clocked(command: list[str], **kwargs: Any) -> dict[str, float]:
    """Seconds by the wall and of the processor that a process and its children took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall, _ = timed(command, **kwargs)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": round(wall, 2), "CPU seconds": round(used, 2)}


def _linked(folder: Path, place: Path, names: Iterable[str]) -> Path:
    """The files `names` of `folder`, in a folder of their own."""
    wanted = set(names)
    for path in folder.rglob("*.jpg"):
        if path.name in wanted:
            target = place / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.hardlink_to(path)
    return place


def _named(pairs: Iterable[tuple[str, str]]) -> Pairs:
    return {(min(pair), max(pair)) for pair in pairs}


def _pairs(found: Pairs, faults: Faults) -> dict[str, Any]:
    """Precision of pairs, recall of copies in all and by kind."""

    def origin(name: str) -> str:
        return faults[name].of or name

    right = {pair for pair in found if origin(pair[0]) == origin(pair[1])}
    named = {name for pair in right for name in pair}
    planted = {kind: [n for n, f in faults.items() if f.kind == kind] for kind in COPIES}
    hits = {kind: sum(name in named for name in names) for kind, names in planted.items()}
    total = sum(len(names) for names in planted.values())
    precision, recall = len(right) / max(1, len(found)), sum(hits.values()) / total
    return {
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "f1": round(2 * precision * recall / max(1e-9, precision + recall), 4),
        "recall by kind": {k: round(hits[k] / len(planted[k]), 4) for k in COPIES},
        "pairs that are none": len(found) - len(right),
    }


def _labels(quality: dict[str, float], flagged: set[str], faults: Faults) -> dict[str, Any]:
    wrong = {name for name, fault in faults.items() if fault.kind == "wrong"}
    # A foreign picture has no right label: to name it is no mistake, and no find either.
    asked = [name for name in quality if faults[name].kind != "foreign"]
    first = sorted(asked, key=lambda name: (quality[name], name))
    most = min(100, len(wrong))
    named = {name for name in flagged if faults[name].kind != "foreign"}
    return {
        f"precision of the first {most}": round(np.mean([n in wrong for n in first[:most]]), 4),
        "flagged": len(named),
        "precision of flags": round(len(named & wrong) / max(1, len(named)), 4),
        "recall of flags": round(len(named & wrong) / len(wrong), 4),
    }


def _alien(belonging: dict[str, float], faults: Faults) -> dict[str, float]:
    """Area under the curve of foreign ones against clean ones, and against all others."""
    from sklearn.metrics import roc_auc_score

    def against(kinds: set[str]) -> float:
        names = [n for n in belonging if faults[n].kind in kinds | {"foreign"}]
        alien = [faults[name].kind == "foreign" for name in names]
        return round(float(roc_auc_score(alien, [-belonging[name] for name in names])), 4)

    return {
        "AUROC against clean ones": against({""}),
        "AUROC against all others": against({"", "wrong", *COPIES}),
    }


def _over(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The same figures, each with its median and spread over the rounds."""
    return {
        key: _over([one[key] for one in rounds])
        if isinstance(value, dict)
        else spread([float(one[key]) for one in rounds])
        for key, value in rounds[0].items()
    }


if __name__ == "__main__":
    main(run)

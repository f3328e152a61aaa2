"""What effort, budget and the keys of `train` say together: heads, networks, tuning in stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tellapart.recipe.problems import Problems, quote
from tellapart.recipe.training import (
    CHOOSING_KEYS,
    HEAD_KEYS,
    NETWORK_KEYS,
    SHARED_KEYS,
    TUNED_KEYS,
)
from tellapart.recipe.tuning import MAX_EPOCHS, Stage

_HEAD = "keys of a linear head: " + ", ".join(sorted((*HEAD_KEYS, "view")))
_DEEP = ("good", "best")
_TUNE = "Write `effort: good`, or `stages`; for layers of your own add `layers`."


def is_tuned(values: Mapping[str, Any], model_kind: str) -> bool:
    """Whether a pretrained network may be tuned, as far as `values` (perhaps faulty) tell."""
    return model_kind == "head" and bool(
        values.get("effort") in _DEEP or _stages(values) is not None
    )


def settle(values: dict[Any, Any], written: Mapping[Any, Any], model_kind: str) -> None:
    """Choose what follows from other keys: `good` from stages or a budget, `auto` for a ladder."""
    if model_kind == "network":
        values.setdefault("effort", "good")
    if model_kind != "head":
        return
    if _stages(written) is not None or "budget" in written:
        values.setdefault("effort", "good")
    if values.get("effort") in _DEEP and _stages(written) is None:
        train = values.get("train")
        if train is None or isinstance(train, Mapping):
            values["train"] = {"backbone": "auto", **(train or {})}


def check_train(
    values: Mapping[str, Any],
    written: Mapping[Any, Any],
    model_kind: str,
    data_kind: str,
    problems: Problems,
) -> None:
    """Say what in `train`, `effort` and `budget` contradicts the rest or means nothing there."""
    _budget(values, written, model_kind, problems)
    given = written.get("train")
    if not isinstance(given, Mapping):
        return
    tuned = is_tuned(values, model_kind)
    staged = _stages(written) is not None
    for key in given:
        found = _out_of_place(key, model_kind, data_kind, tuned, staged)
        if found is not None:
            what, expected, do = found
            problems.say(
                f"train.{key}",
                f"train.{key} is {quote(given[key])}, which means something only {what}",
                expected,
                do,
            )
    _view(given, model_kind == "head" and not tuned, problems)
    if model_kind == "head":
        _weights(given, tuned, staged, problems)
        _devices(given, problems)
    if staged and model_kind == "head":
        _effort_beside_stages(written, problems)
        _check_stages(given, problems)


def _stages(values: Mapping[Any, Any]) -> object:
    """The stages as written; None where there are none."""
    train = values.get("train")
    return train.get("stages") if isinstance(train, Mapping) else None


def _out_of_place(
    key: object, model_kind: str, data_kind: str, tuned: bool, staged: bool
) -> tuple[str, str, str] | None:
    """Where `key` of `train` means something, what was expected, what to do; None: here."""
    own = NETWORK_KEYS - SHARED_KEYS
    if model_kind == "head" and key in own and tuned:
        do = "Remove it, or add `layers`."
        if key == "schedule":
            do = "Write it in the stages."
        elif key == "augment":
            do = "Write `augmentation`, such as {flip: true}."
        return "with layers of one's own", "keys of tuning: " + _names(TUNED_KEYS), do
    if model_kind == "head" and key in NETWORK_KEYS | TUNED_KEYS and not tuned:
        do = _TUNE if key in SHARED_KEYS | TUNED_KEYS else "Add `layers`, or remove it."
        return ("with a network" if key in NETWORK_KEYS else "where a network is tuned"), _HEAD, do
    if model_kind == "head" and key == "head" and not staged:
        return "with stages", "`train.stages`, whose head it is", "Add `stages`, or remove it."
    if model_kind == "head" and key in CHOOSING_KEYS and not staged:
        expected = "`train.stages`; a ladder's held out pictures judge, and must not choose as well"
        return "with stages", expected, "Add `stages`, or remove it."
    if model_kind == "head" and key == "C" and staged:
        return "for a head on frozen features", "no C beside stages", "Remove it."
    if model_kind == "table" and key in NETWORK_KEYS | TUNED_KEYS:
        return "with a network", "no such key for a table", "Add `layers`, or remove it."
    if model_kind == "network" and key in TUNED_KEYS:
        return "where a pretrained network is tuned", _network_keys(), "Remove it."
    if model_kind != "head" and key in HEAD_KEYS:
        return "for a linear head on frozen features", _network_keys(), "Remove it."
    if key == "view" and data_kind != "pictures":
        return "for pictures of different shapes", "keys that mean something here", "Remove it."
    return None


def _names(keys: frozenset[str]) -> str:
    return ", ".join(sorted(keys))


def _network_keys() -> str:
    return "keys of a network: " + _names(NETWORK_KEYS)


def _budget(
    values: Mapping[str, Any], written: Mapping[Any, Any], model_kind: str, problems: Problems
) -> None:
    if "budget" not in written or problems.within("budget"):
        return
    if model_kind != "head":
        problems.say(
            "budget",
            f"budget is {quote(written['budget'])}, but no pictures are learned from with a ladder",
            "a budget only for pictures without `layers`",
            "Remove it; of a network, `train.epochs` says how long it learns.",
        )
    elif values.get("effort") == "quick":
        problems.say(
            "budget",
            f"budget is {quote(written['budget'])}, but effort is 'quick', which takes what it "
            "takes: seconds",
            "good or best, or no budget",
            "Write `effort: good`, or remove the budget.",
        )


def _view(given: Mapping[Any, Any], frozen: bool, problems: Problems) -> None:
    """Faces are seen by a head on frozen features alone."""
    view = given.get("view")
    if view not in ("face", "both") or problems.within("train.view"):
        return
    if not frozen:
        problems.say(
            "train.view",
            f"train.view is {quote(view)}, but a network learns from the pictures",
            "a view of faces with a head on frozen features alone",
            "Write `effort: quick`, without stages or layers, or take another view.",
        )


def _weights(given: Mapping[Any, Any], tuned: bool, staged: bool, problems: Problems) -> None:
    weights = given.get("weights")
    if weights == "none" and not staged:
        problems.say(
            "train.weights",
            "train.weights is 'none', but nothing is trained from the start",
            "auto or a file; none only with `train.stages`",
            "Remove it, or add `stages`.",
        )
    elif weights is not None and weights != "none" and tuned and "backbone" not in given:
        problems.say(
            "train.weights",
            f"train.weights is {quote(weights)}, and no backbone is named",
            "the backbone whose weights they are",
            "Add `backbone: NAME`, the network's name in timm.",
        )


def _devices(given: Mapping[Any, Any], problems: Problems) -> None:
    """What several devices ask of the other keys."""
    devices, batch = given.get("devices"), given.get("batch_size", 32)
    if not isinstance(devices, int) or devices < 2 or problems.within("train.devices"):
        return
    if given.get("device") == "mps":
        problems.say(
            "train.devices",
            f"train.devices is {quote(devices)}, but of the device 'mps' there is only one",
            "1 with mps; more with cuda or cpu",
            "Remove it.",
        )
    elif isinstance(batch, int) and batch < 2 * devices and not problems.within("train.batch_size"):
        problems.say(
            "train.devices",
            f"train.devices is {quote(devices)}, of a batch of {batch}",
            "at least two pictures of each batch for every device",
            f"Write fewer, or `batch_size: {2 * devices}`.",
        )


def _effort_beside_stages(written: Mapping[Any, Any], problems: Problems) -> None:
    effort = written.get("effort")
    if effort in ("quick", "best"):
        problems.say(
            "effort",
            f"effort is {effort!r}, but `train.stages` says what is trained",
            "good beside stages, or no effort",
            "Remove effort, or remove the stages.",
        )


def _check_stages(given: Mapping[Any, Any], problems: Problems) -> None:
    """What the keys of each stage say together."""
    stages = given["stages"]
    if isinstance(stages, list | tuple) and not stages:
        problems.say(
            "train.stages",
            "train.stages is an empty list",
            "at least one stage",
            "Write for example `[{freeze: body, epochs: 1}]`, or remove it.",
        )
    refused = any(found["path"] == "train.stages" for found in problems.found)
    for place, stage in enumerate(stages if isinstance(stages, list | tuple) else ()):
        path = f"train.stages[{place}]"
        if isinstance(stage, Mapping) and not problems.within(f"{path}.") and not refused:
            _check_stage(stage, path, given, problems)


def _check_stage(
    stage: Mapping[Any, Any], path: str, given: Mapping[Any, Any], problems: Problems
) -> None:
    cycles, epochs, schedule = (stage.get(key) for key in ("cycles", "epochs", "schedule"))
    if cycles is None:
        for key in ("cycle_length", "cycle_mult"):
            if key in stage:
                problems.say(
                    f"{path}.{key}",
                    f"{path}.{key} is {quote(stage[key])}, but there are no cycles",
                    "cycles beside it",
                    "Add `cycles: 3`, or remove it.",
                )
        return
    parsed = Stage.model_validate(stage)
    total = parsed.cycle_epochs or 0
    if total > MAX_EPOCHS:
        problems.say(
            f"{path}.cycles",
            f"the cycles of {path} add up to more than {MAX_EPOCHS} epochs",
            f"at most {MAX_EPOCHS} epochs",
            "Write fewer cycles, or a smaller cycle_mult.",
        )
    elif epochs is not None and parsed.epochs != total:
        problems.say(
            f"{path}.epochs",
            f"{path}.epochs is {quote(epochs)}, but its cycles add up to {total}",
            f"{total}, or no epochs beside cycles",
            "Remove epochs.",
        )
    if schedule is not None and schedule != "cosine":
        problems.say(
            f"{path}.schedule",
            f"{path}.schedule is {quote(schedule)}, but cycles fall by a cosine",
            "cosine, or no schedule beside cycles",
            "Remove schedule, or the cycles.",
        )

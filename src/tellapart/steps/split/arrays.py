"""Deal a picture data set by name: its own test part stays, equal pictures stay together."""

from __future__ import annotations

from typing import Any

from tellapart import datasets
from tellapart.learn import splitting
from tellapart.learn.official import deal_official
from tellapart.steps import Progress, StepContext, fingerprint
from tellapart.steps.dealing import members_of, save
from tellapart.steps.split.dealt import notes, require_test, same_links, summary

STEP = "split"
#: Raise it whenever the same pictures would be dealt otherwise.
VERSION = 1


def run(context: StepContext) -> dict[str, Any]:
    """Split the pictures into `work/split.npz`; return counts by split and class, and notes.

    Raises what `datasets.load_arrays` raises.
    """
    name = context.recipe.dataset
    assert name is not None  # that makes a recipe's data arrays
    arrays = datasets.load_arrays(name, context.settings)
    asked = context.recipe.split
    official = asked.official and bool((arrays.official == splitting.TEST).any())
    rules = fingerprint([VERSION, context.recipe.seed, asked.model_dump(mode="json"), official])
    inputs = fingerprint([rules, arrays.sha256])
    done = context.catalog.finished(STEP, inputs)
    if done is not None and (context.work / "split.npz").is_file():
        return done
    context.progress(Progress(STEP, 0, len(arrays.y), "dealing pictures"))
    members = members_of(arrays)
    shares = splitting.Shares(asked.train, asked.validation, asked.test, context.recipe.seed)
    links = same_links(members)
    if official:
        deal = deal_official(members, arrays.official.tolist(), links, links, shares)
    else:
        deal = splitting.deal(members, links, shares)
    save(context.work, arrays.sha256, [deal.places[member.id] for member in members])
    result = {
        **summary(members, deal, arrays.classes),
        "official": official,
        "rules": rules,
        "notes": notes(members, deal, thing="picture", official=official),
    }
    require_test(result, "picture")
    context.catalog.finish(STEP, inputs, result)
    context.progress(Progress(STEP, len(arrays.y), len(arrays.y)))
    return result

"""What training a recipe's network would mean, before anything is trained or fetched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tellapart import Recipe
    from tellapart.learn.deep.designs import Design
    from tellapart.recipe import Network


@dataclass(frozen=True)
class Planned:
    """The network as far as it is known without its data."""

    #: None where its layers are chosen, or its shape is known, once the data are read.
    network: Network | None
    #: Samples an epoch trains on; None where that is not known yet.
    samples: int | None
    #: An estimate for this machine; None where network or samples are not known.
    epoch_seconds: float | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        network = self.network
        return {
            "network": None if network is None else network.to_dict(),
            "parameters": None if network is None else network.parameters,
            "flops": None if network is None else network.flops,
            "samples": self.samples,
            "epoch_seconds": self.epoch_seconds,
        }


def plan(recipe: Recipe) -> Planned:
    """The network of `recipe`, how many samples it would learn from, and the time of an epoch."""
    network, samples = network_of(recipe), _samples(recipe)
    seconds = None
    if network is not None and samples is not None:
        from tellapart.recipe.network import epoch_seconds

        seconds = round(epoch_seconds(network, samples, _batch_size(recipe)), 2)
    return Planned(network, samples, seconds)


def network_of(recipe: Recipe) -> Network | None:
    """The network that `recipe` trains; None where it trains none, or no shape is known yet."""
    from tellapart.recipe import trace

    if recipe.model_kind != "network":
        return None
    shape, classes = _shape(recipe)
    if shape is None:
        return None
    if recipe.layers:
        return trace(recipe.layers, shape, classes)
    made = _design(recipe)
    return None if made is None else trace(made.layers, shape, classes)


def _design(recipe: Recipe) -> Design | None:
    """The network of our own that is taken for a picture data set by name."""
    from tellapart.learn.deep.designs import design

    shape, classes = _shape(recipe)
    samples = _samples(recipe)
    if shape is None or len(shape) != 3 or classes is None or samples is None:
        return None
    return design((shape[0], shape[1], shape[2]), classes, samples)


def _batch_size(recipe: Recipe) -> int:
    made = None if recipe.layers else _design(recipe)
    own = None if made is None else made.settings.get("batch_size")
    return int(own or recipe.train.batch_size)


def _shape(recipe: Recipe) -> tuple[tuple[int, ...] | None, int | None]:
    """What goes into the network, and the number of classes where it is known."""
    from tellapart.datasets import FACTS

    if recipe.dataset is not None:
        facts = FACTS[recipe.dataset]
        return recipe.input or facts.shape, len(facts.classes)
    if recipe.data_kind == "pictures":
        return recipe.input or _PICTURE, len(recipe.classes) or None
    return recipe.input, None


#: Height, width and channels of pictures from folders, where the recipe does not say.
_PICTURE = (64, 64, 3)


def _samples(recipe: Recipe) -> int | None:
    """Of the training part, as far as the data set's size is known."""
    from tellapart.datasets import FACTS

    if recipe.dataset is None:
        return None
    facts, split = FACTS[recipe.dataset], recipe.split
    return round(facts.rows * split.train / (split.train + split.validation + split.test))

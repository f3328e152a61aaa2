"""What a fine-tuning is asked to do: stages, augmentation, rates. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Schedule = Literal["one_cycle", "cosine", "constant"]
Freeze = Literal["body", "none"] | int


@dataclass(frozen=True)
class Augmentation:
    """How training pictures are varied, each in each epoch anew. The default changes nothing."""

    #: Mirrored left to right, half of them; `hv`: upside down as well, half of them.
    flip: bool | Literal["hv"] = False
    #: Enlarged by a factor drawn from 1 to this.
    zoom: float = 1.0
    #: Turned by up to so many degrees either way.
    rotate: float = 0.0
    #: Brightness moved by up to this share of the range, contrast by up to this factor less one.
    lighting: float = 0.0
    #: Smallest share of a picture's area that a random crop keeps (the aspect within 3:4 … 4:3).
    crop: float = 1.0
    #: Parameter of the Beta distribution of mixup (Zhang et al. 2018) and CutMix (Yun et al.
    #: 2019); 0: not at all. With both, a batch gets one of them.
    mixup: float = 0.0
    cutmix: float = 0.0

    @property
    def moves(self) -> bool:
        """Whether pixels change their places other than by the mirror."""
        return self.zoom > 1 or self.rotate > 0 or self.crop < 1


@dataclass(frozen=True)
class Stage:
    """A stretch of training with one size and one set of layers that learn."""

    #: `body`: the head alone learns; `none`: all; a number: so many layer groups, from the
    #: pictures' side, stay as they are, their running statistics too.
    freeze: Freeze = "none"
    #: Of `cycles`, their lengths decide.
    epochs: int = 1
    #: The highest rate, that of the head; `find`: looked for before the stage begins.
    lr: float | Literal["find"] = 1e-3
    #: Side of the square that the network sees, in pixels.
    size: int = 224
    #: Warm restarts (Loshchilov and Hutter 2017, "SGDR"): so many cycles of `cycle_length` epochs,
    #: each `cycle_mult` times as long as the one before it; the rate falls by a cosine in each.
    cycles: int | None = None
    cycle_length: int = 1
    cycle_mult: int = 1
    schedule: Schedule = "one_cycle"
    #: Look for a rate even where one is given, for its plot alone.
    find: bool = False

    @property
    def searches(self) -> bool:
        """Whether a search for a learning rate comes before the stage."""
        return self.find or self.lr == "find"

    @property
    def lengths(self) -> tuple[int, ...]:
        """Epochs of each cycle; one cycle where none are asked for."""
        if self.cycles is None:
            return (self.epochs,)
        return tuple(self.cycle_length * self.cycle_mult**i for i in range(self.cycles))

    @property
    def length(self) -> int:
        """Epochs of the stage."""
        return sum(self.lengths)


@dataclass(frozen=True)
class Plan:
    """One fine-tuning, every choice made."""

    #: timm's name.
    backbone: str
    stages: tuple[Stage, ...]
    #: `linear` on pooled features, or `concat512`: both poolings, 512 hidden units, dropout.
    head: Literal["linear", "concat512"] = "linear"
    #: What timm's `create_model` is told beside the name, such as {"pad_type": "same"}.
    arguments: Mapping[str, Any] = field(default_factory=dict)
    optimizer: str = "adamw"
    weight_decay: float = 0.01
    batch_size: int = 32
    #: Each layer group learns by this factor slower than the one after it, the head fastest.
    decay_by_layer: float = 1.0
    augmentation: Augmentation = Augmentation()
    #: How slowly averaged weights follow, such as .99; 0: no averaging.
    ema: float = 0.0
    #: Length to which a step's gradient is cut; None: it is not.
    clip: float | None = None
    label_smoothing: float = 0.0
    #: Epochs of a stage without a better validation loss after which it ends; None: never.
    early_stopping: int | None = None
    best_weights: bool = True
    #: auto, fp32 or bf16.
    precision: str = "auto"
    #: auto, cpu, cuda or mps.
    device: str = "auto"
    devices: int = 1
    seed: int = 0
    #: 0: as many as there are processors.
    threads: int = 0
    #: Batch norm keeps the running statistics it came with, in layers that learn too.
    freeze_norm: bool = False
    #: A weight a class (brought to a mean of 1 over the training pictures), or `balanced`: as
    #: much for every class together; None: all pictures count alike.
    class_weight: Literal["balanced"] | tuple[float, ...] | None = None

    @property
    def epochs(self) -> int:
        """Epochs of all stages."""
        return sum(stage.length for stage in self.stages)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, for checkpoints' keys and facts."""
        return asdict(self)

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Plan:
        """What `to_dict` said, read from JSON too."""
        weight = said["class_weight"]
        read = {
            "stages": tuple(Stage(**stage) for stage in said["stages"]),
            "augmentation": Augmentation(**said["augmentation"]),
            "class_weight": tuple(weight) if isinstance(weight, list | tuple) else weight,
        }
        return cls(**{**said, **read})

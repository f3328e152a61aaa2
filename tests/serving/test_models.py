"""Models by name and version, and a knob that cannot be is refused where it is set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tellapart.errors import InputError, NotFoundError
from tellapart.serving.models import ModelInfo, Models
from tellapart.serving.options import Options

INFO = ModelInfo(
    name="colors",
    version=1,
    labels=("a", "b"),
    kind="picture",
    input="image",
    shape=(4, 5, 3),
    view="squash",
    color="RGB",
    columns=(),
    outputs={"probabilities": ("float32", (2,))},
    min_familiarity=None,
    min_probability=None,
    finished=True,
    runs_on={},
    sha256="0" * 64,
)


def test_the_default_is_the_first_model_in_its_highest_version() -> None:
    models = Models([INFO, replace(INFO, version=10), replace(INFO, name="other", version=99)])
    assert models.default.key == ("colors", 10)
    assert models.find("colors", 1).version == 1
    assert models.versions("colors") == (1, 10) and models.names == ("colors", "other")
    assert [info.version for info in models] == [1, 10, 99] and len(models) == 3
    assert INFO.item_bytes == 60 and replace(INFO, kind="row", shape=(3,)).item_bytes == 12


def test_what_is_not_there_is_said_with_what_is() -> None:
    models = Models([INFO])
    with pytest.raises(NotFoundError, match="no model 'colours'") as caught:
        models.find("colours")
    assert "'colors'" in caught.value.expected
    with pytest.raises(NotFoundError, match="no version 7") as caught:
        models.find("colors", 7)
    assert "1" in caught.value.expected
    with pytest.raises(NotFoundError):
        _ = Models().default


def test_the_same_version_twice_is_refused() -> None:
    with pytest.raises(InputError, match="Two bundles hold version 1 of 'colors'"):
        Models([INFO, INFO])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("deadline", 0),
        ("max_queue", 0),
        ("workers", -1),
        ("batch_delay", float("nan")),
        ("rate", -0.5),
        ("log", "loud"),
        ("device", "tpu"),
    ],
)
def test_a_knob_that_cannot_be_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InputError) as caught:
        Options(**{name: value})
    assert name in caught.value.what and repr(value) in caught.value.what


def test_every_knob_says_what_it_does_and_secrets_are_not_shown() -> None:
    assert all(doc.endswith(".") for doc in Options.docs().values())
    assert "geheim" not in repr(Options(tokens=("geheim",)))
    assert Options().max_body == 25_000_000 and Options().worker_count >= 1
    assert Options(port=None, grpc_port=0).port is None

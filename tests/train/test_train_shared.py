"""A small look at real photographs: what is learned, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tellapart.learn import backbone, familiarity, features, head, metrics
from tellapart.settings import Settings

pytestmark = pytest.mark.shared

_EACH = 30


def _features(folder: Path, settings: Settings, each: int) -> tuple[np.ndarray, np.ndarray]:
    files, y = [], []
    for place, kind in enumerate(sorted(p for p in folder.iterdir() if p.is_dir())):
        chosen = sorted(kind.glob("*.jpg"))[:each]
        files += chosen
        y += [place] * len(chosen)
    items = [(str(path), path.read_bytes) for path in files]
    net = backbone.embedded(settings.cache_dir)
    vectors, errors = features.matrix(items, net, "squash", settings)
    assert not errors
    return vectors, np.array(y)


def test_trash_is_told_apart_and_foreign_pictures_are_refused(
    shared_data: Path, settings: Settings
) -> None:
    rows, y = _features(shared_data / "trashnet_100", settings, _EACH)
    foreign, _ = _features(shared_data / "caltech101_10", settings, 6)
    test = np.arange(len(y)) % 5 == 0
    fitted = head.fit(rows[~test], y[~test], n_classes=6)
    found = metrics.evaluate(fitted.probabilities(rows[test]), y[test], [*"abcdef"])
    assert found["n"] == 36 and found["accuracy"] > 0.6 and found["warning"] is None
    bank = familiarity.build_bank(rows[~test], y[~test], 512, 0)
    stored = familiarity.bank_rows(y[~test], 512, 0)
    alone = familiarity.held_out_score(rows[~test], np.arange((~test).sum()), stored, 5)
    least = familiarity.threshold(alone, 0.03)
    assert (familiarity.score(foreign, bank, 5) < least).mean() > 0.9
    assert (familiarity.score(rows[test], bank, 5) < least).mean() < 0.15

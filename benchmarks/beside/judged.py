"""How well a head on a project's kept pictures tells pictures that nobody has collected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from benchmarks.beside.noisy_web import Read
    from tellapart.project import Project


def accuracy(project: Project, tests: Sequence[tuple[str, Read]]) -> float:
    """The share of `tests`, (class, picture), told right, by a head as training fits it."""
    import hashlib

    from threadpoolctl import threadpool_limits

    from tellapart.learn import backbone, features, head, measuring
    from tellapart.store.files import FileStore

    settings = project.settings
    files = FileStore(settings.files_dir)
    kept = sorted(project.pictures(status="ok", kept=True), key=lambda row: row.sha256)
    classes = sorted({row.label for row in kept})
    net = backbone.embedded(settings.cache_dir)
    own = [(row.sha256, measuring.reader(files, row.sha256, row.path)) for row in kept]
    theirs = [(hashlib.sha256(read()).hexdigest(), read) for _, read in tests]
    x, _ = features.matrix(own, net, "squash", settings)
    judged, _ = features.matrix(theirs, net, "squash", settings)
    y = np.array([classes.index(row.label) for row in kept])
    with threadpool_limits(1):
        fitted = head.fit(x, y, n_classes=len(classes), C=10.0)
    answers = fitted.logits(judged).argmax(axis=1)
    truth = [classes.index(label) for label, _ in tests]
    return float((answers == np.array(truth)).mean())

"""The head on Gaussian clouds: folded, calibrated, grouped, tiny, warm."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tellapart.errors import DataError, InputError
from tellapart.learn import calibration, head


def _clouds(
    counts: list[int], dim: int = 30, apart: float = 3.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Rows far from the origin and of odd scale, as raw features are."""
    y = np.repeat(np.arange(len(counts)), counts)
    centers = apart * np.random.default_rng(99).normal(size=(len(counts), dim)) / np.sqrt(dim)
    rows = centers[y] + np.random.default_rng(seed).normal(size=(len(y), dim)) / 3
    return (7 * rows + 20).astype(np.float32), y


def test_it_learns_and_reads_raw_features() -> None:
    rows, y = _clouds([60, 60, 60])
    fresh, truth = _clouds([200, 200, 200], seed=1)
    fitted = head.fit(rows, y, n_classes=3)
    assert fitted.weight.shape == (3, 30) and fitted.weight.dtype == np.float32
    assert (fitted.probabilities(fresh).argmax(axis=1) == truth).mean() > 0.97
    # Centre, scale and temperature are in the weights: a plain product is the whole model.
    plain = fresh.astype(np.float64) @ fitted.weight.T.astype(np.float64) + fitted.bias
    assert np.allclose(calibration.softmax(plain), fitted.probabilities(fresh), atol=1e-12)


def test_it_agrees_with_scikit_learn_at_the_same_penalty() -> None:
    from sklearn.linear_model import LogisticRegression

    rows, y = _clouds([50, 30, 20], apart=1.0)
    fitted = head.fit(rows, y, n_classes=3, C=10.0)
    scaled = rows - rows.mean(axis=0)
    scaled /= np.sqrt((scaled**2).sum(axis=1).mean())
    reference = LogisticRegression(C=10.0, class_weight="balanced", tol=1e-8, max_iter=5000)
    expected = reference.fit(scaled.astype(np.float64), y).decision_function(scaled)
    found = fitted.logits(rows) * fitted.temperature
    found -= found.mean(axis=1, keepdims=True)
    assert np.abs(found - (expected - expected.mean(axis=1, keepdims=True))).max() < 0.02


def test_out_of_fold_probabilities_are_honest_on_pure_chance() -> None:
    rng = np.random.default_rng(0)
    rows, y = rng.normal(size=(400, 800)).astype(np.float32), rng.integers(0, 2, 400)
    fitted = head.fit(rows, y, n_classes=2, C=1000.0)
    assert fitted.out_of_fold is not None
    seen = (fitted.probabilities(rows).argmax(axis=1) == y).mean()
    unseen = (fitted.out_of_fold.argmax(axis=1) == y).mean()
    assert seen > 0.95 and 0.4 < unseen < 0.6
    # Nothing can be known, and the calibrated head says so.
    assert np.abs(fitted.out_of_fold - 0.5).mean() < 0.1


def test_calibration_repairs_an_overconfident_head() -> None:
    rows, y = _clouds([150, 150, 150], apart=0.8)
    fresh, truth = _clouds([1500, 1500, 1500], apart=0.8, seed=1)
    fitted = head.fit(rows, y, n_classes=3, C=1000.0)
    raw = calibration.softmax(fitted.logits(fresh) * fitted.temperature)
    assert calibration.ece(fitted.probabilities(fresh), truth) < 0.05
    assert calibration.ece(fitted.probabilities(fresh), truth) < calibration.ece(raw, truth)


def test_auto_takes_the_candidate_of_least_loss() -> None:
    rows, y = _clouds([80, 80, 80], apart=1.0)
    fitted = head.fit(rows, y, n_classes=3)
    losses = {c: loss for c, loss, _ in fitted.tried}
    assert min(losses, key=lambda c: (losses[c], c)) == fitted.C
    assert set(losses) <= set(head.CANDIDATES) and len(losses) >= 3


def test_balance_saves_the_rare_class() -> None:
    rows, y = _clouds([300, 15], apart=0.8)
    fresh, truth = _clouds([500, 500], apart=0.8, seed=1)

    def recall(weight: head.Balance) -> float:
        fitted = head.fit(rows, y, n_classes=2, C=1.0, class_weight=weight)
        return float((fitted.probabilities(fresh[truth == 1]).argmax(axis=1) == 1).mean())

    assert recall("balanced") > recall(None) + 0.2


def test_twins_do_not_make_the_estimate_better_when_grouped() -> None:
    rng = np.random.default_rng(0)
    rows, y = rng.normal(size=(60, 100)).astype(np.float32), rng.integers(0, 2, 60)
    twins, doubled = np.concatenate([rows, rows + 0.01]), np.concatenate([y, y])
    teams = np.tile(np.arange(60), 2)

    def unseen(groups: np.ndarray | None) -> float:
        fitted = head.fit(twins, doubled, n_classes=2, C=100.0, groups=groups)
        assert fitted.out_of_fold is not None
        return float((fitted.out_of_fold.argmax(axis=1) == doubled).mean())

    assert unseen(None) > 0.9 and unseen(teams) < 0.7


@pytest.mark.parametrize("counts", [[2, 2], [1, 1], [1, 2, 30], [3, 3, 3], [1, 40]])
def test_tiny_classes_do_not_crash(counts: list[int]) -> None:
    rows, y = _clouds(counts)
    fitted = head.fit(rows, y, n_classes=len(counts))
    chances = fitted.probabilities(rows)
    assert np.isfinite(chances).all()
    assert (chances.argmax(axis=1) == y).all()
    assert fitted.out_of_fold is not None
    # A row alone in its class cannot be held out; all others are, unless one class is left.
    unknown = np.isnan(fitted.out_of_fold).any(axis=1)
    lonely = np.isin(y, [k for k, n in enumerate(counts) if n == 1])
    assert unknown[lonely].all()
    assert (~unknown[~lonely]).all() or min(counts) == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 8)), min_size=1, max_size=40))
def test_folds_keep_groups_whole_and_spread_classes(rows: list[tuple[int, int]]) -> None:
    y, teams = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    dealt = head.folds(y, teams, 5, 0)
    assert dealt.min() >= 0 and dealt.max() < 5
    alone = {k for k in set(y.tolist()) if len(set(teams[y == k].tolist())) < 2}
    for team in set(teams.tolist()):
        inside = (teams == team) & ~np.isin(y, list(alone))
        assert len(set(dealt[inside].tolist())) <= 1
    for k in alone:
        # One group only: dealt row by row, so that the rest of the class can be learned from.
        assert len(set(dealt[y == k].tolist())) == min(5, int((y == k).sum()))


def test_folds_are_stratified() -> None:
    y = np.repeat([0, 1, 2], [50, 23, 10])
    dealt = head.folds(y, None, 5, 3)
    for k, count in ((0, 50), (1, 23), (2, 10)):
        sizes = np.bincount(dealt[y == k], minlength=5)
        assert sizes.max() - sizes.min() <= 1 and sizes.sum() == count
    assert not np.array_equal(dealt, head.folds(y, None, 5, 4))


def test_a_warm_start_ends_where_a_cold_one_does() -> None:
    rows, y = _clouds([400, 400, 400], apart=1.0)
    first = head.fit(rows, y, n_classes=3, C=10.0)
    changed = y.copy()
    changed[5] = 2
    warm = head.fit(rows, changed, n_classes=3, C=10.0, warm=first)
    cold = head.fit(rows, changed, n_classes=3, C=10.0)
    assert warm.out_of_fold is None and warm.temperature == first.temperature
    truer = calibration.softmax(cold.logits(rows) * cold.temperature / warm.temperature)
    assert np.abs(warm.probabilities(rows) - truer).max() < 0.02
    # A head of other classes is no start.
    other = head.fit(rows, np.minimum(y, 1), n_classes=2, C=10.0, warm=first)
    assert other.out_of_fold is not None


def test_ten_thousand_rows_are_refitted_in_seconds() -> None:
    rows, y = _clouds([1000] * 10, dim=1280, apart=2.0)
    first = head.Head(np.zeros((10, 1280), np.float32), np.zeros(10, np.float32), 10.0, 1.0)
    first = head.fit(rows, y, n_classes=10, C=10.0, warm=first)
    y[17] = 3
    start = time.perf_counter()
    again = head.fit(rows, y, n_classes=10, C=10.0, warm=first)
    assert time.perf_counter() - start < 4  # 0.6-0.9 s alone on one core
    assert (again.probabilities(rows).argmax(axis=1) == y).mean() > 0.95


def test_the_same_bytes_on_any_number_of_threads() -> None:
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(0)
    rows, y = rng.normal(size=(300, 500)).astype(np.float32), rng.integers(0, 3, 300)
    answers = set()
    for threads in (1, 2):
        with threadpool_limits(threads):
            fitted = head.fit(rows, y, n_classes=3)
        answers.add(fitted.weight.tobytes() + fitted.bias.tobytes())
    assert len(answers) == 1


def test_the_first_fit_of_a_process_is_on_one_thread_too() -> None:
    """SciPy's BLAS is loaded by the first fit; it took two thirds of its time when unbounded."""
    code = (
        "import numpy as np, threadpoolctl; from tellapart.learn import head;"
        "from sys import modules; solve = head._solve; seen = []\n"
        "def spy(*a): "
        "seen.append({i['num_threads'] for i in threadpoolctl.threadpool_info()"
        " if i['user_api'] == 'blas'}); return solve(*a)\n"
        "head._solve = spy; r = np.random.default_rng(0)\n"
        "head.fit(r.normal(size=(20, 5)), np.arange(20) % 2, n_classes=2, C=1.0)\n"
        "solve_done = threadpoolctl.threadpool_info()\n"
        "blas = sum(i['user_api'] == 'blas' for i in solve_done)\n"
        "print(blas, seen[0], seen[-1])"
    )
    free = {k: v for k, v in os.environ.items() if not k.endswith("NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=free, capture_output=True, text=True, check=True
    )
    count, first, last = done.stdout.split()
    assert int(count) >= 1 and first == last == "{1}"


def test_what_cannot_be_fitted_is_said() -> None:
    rows, y = _clouds([5, 5])
    with pytest.raises(DataError, match=r"\[5, 5, 0\]"):
        head.fit(rows, y, n_classes=3)
    with pytest.raises(DataError, match="1 classes"):
        head.fit(rows[:5], y[:5], n_classes=1)
    with pytest.raises(InputError, match=r"\(9, 30\) for 10 labels"):
        head.fit(rows[:9], y, n_classes=2)
    rows[0, 0] = np.nan
    with pytest.raises(InputError, match="finite"):
        head.fit(rows, y, n_classes=2)

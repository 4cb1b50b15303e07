import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, precision_recall_fscore_support, precision_score, recall_score

from mmseg_bisenet_lite.evaluation.sweep import THRESHOLDS, Sweep, histogram, is_poor
from mmseg_bisenet_lite.models.decision import margin_of_logits
from mmseg_bisenet_lite.utils import schema
from mmseg_bisenet_lite.utils.errors import InputError


@pytest.fixture
def pixels():
    """Margins amid two thresholds, as a network would give them for a rare class; and labels, some ignored."""
    draw = torch.Generator().manual_seed(0)
    label = (torch.rand(40, 50, generator=draw) < 0.1).long()
    margins = (torch.randn(40, 50, generator=draw) + 2 * label - 1).mul(100).round().add(0.5) / 100
    label[::7] = 255
    return margins, label


def test_the_margin_of_two_maps_and_of_one_is_the_same():
    score = torch.linspace(-4, 4, 12).view(1, 3, 4)
    assert torch.allclose(margin_of_logits(torch.cat([-score / 2, score / 2])), score[0])
    assert torch.allclose(margin_of_logits(score.sigmoid()), score[0], atol=1e-5)  # as postprocess_result leaves it
    low = torch.tensor([[[-40.0, -20.0]]])
    assert torch.allclose(margin_of_logits(low.sigmoid()), low[0], atol=1e-4)
    with pytest.raises(InputError, match='3 score maps'):
        margin_of_logits(torch.zeros(3, 4, 4))


def test_a_margin_of_a_threshold_is_not_above_it():
    counts = histogram(torch.tensor([[0.0, 1e-9, -1e-9, 50.0, -50.0]]), torch.zeros(1, 5, dtype=torch.long))
    sweep = counts.sum(1)[0] - counts[0, :-1].cumsum()
    assert [sweep[np.searchsorted(THRESHOLDS, t)] for t in (-10, 0, 10)] == [4, 2, 1]


@pytest.mark.parametrize('threshold', [-10.0, -0.5, 0.0, 0.37, 10.0])
def test_precision_and_recall_are_scikit_learns(pixels, threshold):
    margins, label = pixels
    sweep = Sweep.of(histogram(margins, label))
    valid = label != 255
    expected = precision_recall_fscore_support(
        label[valid], margins[valid] > threshold, average='binary', zero_division=1 if threshold == 10 else 0
    )
    at = np.abs(THRESHOLDS - threshold).argmin()
    assert (sweep.precision[at], sweep.recall[at]) == pytest.approx(expected[:2])
    assert sweep.f1[at] == pytest.approx(expected[2])


@pytest.mark.parametrize(('scale', 'shift', 'error'), [(1, 0, 1e-9), (10, 0, 0.01), (1, -40, 0.06), (1, -1e6, 0.2)])
def test_average_precision_is_scikit_learns(pixels, scale, shift, error):
    """The nearer the margins are to 0, the finer is the sweep; at the very end all is found at once."""
    margins, label = pixels
    margins = margins * scale + shift
    valid = label != 255
    found = Sweep.of(histogram(margins, label)).average_precision
    if shift == -1e6:
        margins = torch.full_like(margins, shift)
    assert found == pytest.approx(average_precision_score(label[valid], margins[valid]), abs=error)


def test_the_best_threshold_is_the_one_nearest_to_0_of_the_best():
    margins, label = torch.tensor([[-2.0, -1.0, 3.0, 4.0]]), torch.tensor([[0, 0, 1, 1]])
    sweep = Sweep.of(histogram(margins, label))
    assert sweep.f1.max() == 1
    assert THRESHOLDS[sweep.best] == 0
    assert THRESHOLDS[Sweep.of(histogram(margins - 5, label)).best] == pytest.approx(-2.01)


def test_the_f1_at_a_number_is_that_of_the_nearest_threshold(pixels):
    sweep = Sweep.of(histogram(*pixels))
    assert sweep.f1_at(0.374) == sweep.f1[np.abs(THRESHOLDS - 0.37).argmin()] != sweep.f1_at(0.38)


@pytest.mark.parametrize(('f1', 'best', 'poor'), [(0.0, 0.79, True), (0.70, 0.79, True), (0.72, 0.79, False), (0, 0, False)])
def test_a_decision_is_poor_if_it_misses_a_tenth_of_the_best_f1(f1, best, poor):
    assert is_poor(f1, best) == is_poor(100 * f1, 100 * best) == poor


def test_operating_points_keep_the_best_threshold_of_each_share(pixels):
    margins, label = pixels
    sweep = Sweep.of(histogram(margins, label))
    points = sweep.operating_points()
    assert 50 < len(points.threshold) < 150
    assert schema.operating_points(json.loads(json.dumps(asdict(points)))) == points
    assert THRESHOLDS[sweep.best] in points.threshold
    valid = label != 255
    for share in (0.5, 0.77, 0.9, 0.95, 0.99):
        threshold = points.threshold_for('recall', share, '')
        assert recall_score(label[valid], margins[valid] > threshold) >= share
        assert recall_score(label[valid], margins[valid] > threshold + 0.01) < share  # no higher threshold has it
    for share in (0.5, 0.8, 0.9):
        threshold = points.threshold_for('precision', share, '')
        assert precision_score(label[valid], margins[valid] > threshold) >= share
        lower = THRESHOLDS[threshold - 0.001 > THRESHOLDS]
        assert all(sweep.precision[: len(lower)] < share)

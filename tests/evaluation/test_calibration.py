import numpy as np
import pytest
import torch
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from mmseg_bisenet_lite.evaluation.calibration import RELIABILITY_BINS, Forecast, fit
from mmseg_bisenet_lite.evaluation.sweep import BINS, MARGINS, THRESHOLDS, histogram
from mmseg_bisenet_lite.utils.calibration import Calibration

TRUE = Calibration(temperature=0.6, bias=-1.4)


def drawn(count=40_000, scale=2.0, seed=0, calibration=TRUE):
    """Margins in the middle of their bins, and labels that are foreground with the probability of a calibration."""
    rng = np.random.default_rng(seed)
    margin = np.floor(rng.normal(-1, scale, count) * 100) / 100 + 0.005
    return margin, rng.random(count) < calibration.probability(margin)


def counted(margin, label):
    return histogram(torch.from_numpy(margin)[None], torch.from_numpy(label.astype(np.int64))[None])


def test_each_bin_has_a_margin_within_it():
    assert len(MARGINS) == BINS
    assert (MARGINS[1:-1] > THRESHOLDS[:-1]).all()
    assert (MARGINS[1:-1] < THRESHOLDS[1:]).all()
    assert (MARGINS[0], MARGINS[-1]) == (THRESHOLDS[0], THRESHOLDS[-1])


@pytest.mark.parametrize(('count', 'scale'), [(40_000, 2.0), (300, 1.0), (20_000, 30.0)])
def test_the_fit_is_scikit_learns(count, scale):
    margin, label = drawn(count, scale)
    counts = counted(margin, label)
    background, foreground = counts.sum(1)
    low, high = 1 / (background + 2), (foreground + 1) / (foreground + 2)  # Platt's labels, as weights of the two classes
    filled = np.flatnonzero(counts.sum(0))
    one = (counts[0] * low + counts[1] * high)[filled]
    weights = np.concatenate([counts.sum(0)[filled] - one, one])
    regression = LogisticRegression(C=1e12, tol=1e-10, max_iter=1000)
    regression.fit(np.tile(MARGINS[filled], 2)[:, None], np.repeat([0, 1], len(filled)), weights)
    found = fit(counts)
    assert 1 / found.temperature == pytest.approx(regression.coef_.item(), rel=1e-3)
    assert found.bias == pytest.approx(regression.intercept_.item(), rel=1e-3, abs=1e-3)


def test_the_fit_finds_what_the_labels_were_drawn_by():
    found = fit(counted(*drawn(400_000)))
    assert (found.temperature, found.bias) == pytest.approx((TRUE.temperature, TRUE.bias), abs=0.03)


def test_margins_that_separate_the_classes_have_a_finite_temperature():
    margin = np.repeat([-1.005, 1.005], 50)
    found = fit(counted(margin, margin > 0))
    assert found.probability(np.array([-1.005, 1.005])) == pytest.approx([1 / 52, 51 / 52], abs=1e-4)  # Platt's labels


@pytest.mark.parametrize(
    ('margin', 'label'),
    [
        ([-1.0, 1.0], [0, 0]),  # one class
        ([0.5, 0.5], [0, 1]),  # one margin
        ([float('nan'), float('nan')], [0, 1]),
        ([-1.0, -0.5, 0.5, 1.0], [1, 1, 0, 0]),  # higher margins are less foreground
        ([-1.0, 1.0, -1.0, 1.0], [0, 1, 1, 0]),  # margins say nothing
    ],
)
def test_there_is_no_calibration_where_margins_say_nothing(margin, label):
    assert fit(counted(np.array(margin), np.array(label))) is None


def test_errors_are_those_of_the_pixels_one_by_one():
    margin, label = drawn()
    counts = counted(margin, label)
    for calibration in (Calibration(), TRUE):
        forecast = Forecast.of(counts, calibration)
        p = expit(margin / calibration.temperature + calibration.bias)
        places = np.minimum(np.floor(p * RELIABILITY_BINS), RELIABILITY_BINS - 1)
        expected = sum(
            np.count_nonzero(places == b) / len(p) * abs(p[places == b].mean() - label[places == b].mean())
            for b in range(RELIABILITY_BINS)
            if (places == b).any()
        )
        assert forecast.error == pytest.approx(expected, abs=1e-6)
        assert forecast.log_loss == pytest.approx(log_loss(label, p), rel=1e-6)
        assert forecast.bins()[2].sum() == len(p)
    assert Forecast.of(counts, TRUE).error < 0.01 < 0.1 < Forecast.of(counts, Calibration()).error


@pytest.mark.parametrize('p', [0.5, 0.8, 0.99])
def test_a_band_is_counted_pixel_by_pixel(p):
    margin, label = drawn()
    probability = TRUE.probability(margin)
    sure = np.maximum(probability, 1 - probability) >= p
    wrong = (probability > 0.5) != label
    expected = (1 - sure.mean(), 1 - sure[label].mean(), wrong[sure].mean())
    assert Forecast.of(counted(margin, label), TRUE).abstaining(p) == pytest.approx(expected)
    assert wrong[sure].mean() <= 1 - p


def test_each_half_is_judged_by_the_other():
    """With halves that contradict each other, what is fitted on both is right on average, and what is cross-fitted is not."""
    first = counted(*drawn(seed=1, calibration=Calibration(0.6, -3.0)))
    second = counted(*drawn(seed=2, calibration=Calibration(0.6, 1.0)))
    crossed = Forecast.cross_fitted([first, second])
    assert crossed.counts.sum() == first.sum() + second.sum()
    own = [Forecast.of(half, fit(half)) for half in (first, second)]
    swapped = [Forecast.of(first, fit(second)), Forecast.of(second, fit(first))]
    assert max(each.error for each in own) < 0.02
    assert min(each.error for each in swapped) > 0.1
    assert crossed.log_loss == pytest.approx(np.mean([each.log_loss for each in swapped]))
    assert Forecast.cross_fitted([first, np.zeros_like(first)]) is None

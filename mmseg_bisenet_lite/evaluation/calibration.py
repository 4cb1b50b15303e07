"""Fit of the calibration to the margins of a data set, and its error."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmseg_bisenet_lite.evaluation.sweep import MARGINS
from mmseg_bisenet_lite.utils.calibration import Calibration
from mmseg_bisenet_lite.utils.schema import Lie
from mmseg_bisenet_lite.utils.schema import calibration as checked

# Equal bins of the probability for the calibration error, as many as Guo et al. take.
RELIABILITY_BINS = 15

_MOST_STEPS = 100


def fit(counts: np.ndarray) -> Calibration | None:
    """Fit temperature and bias: the logistic regression of the label on the margin, by Newton's method.

    The labels are Platt's: a little off 0 and 1, so that margins that separate the classes have a finite temperature.

    Args:
        counts: A sum of :func:`~mmseg_bisenet_lite.evaluation.sweep.histogram` results, ``(2, BINS)``.

    Returns:
        The calibration; ``None`` if there is none: a class has no pixel, or higher margins do not mean more foreground.

    Source: Platt, Probabilistic Outputs for Support Vector Machines, 1999, section 2.2.
    """
    weight = counts.sum(0).astype(np.float64)
    filled = weight > 0
    background, foreground = counts.sum(1)
    if not background or not foreground or filled.sum() < 2:
        return None
    low, high = 1 / (background + 2), (foreground + 1) / (foreground + 2)
    label = (counts[0] * low + counts[1] * high)[filled] / weight[filled]
    margin, weight = MARGINS[filled], weight[filled] / weight.sum()
    scale = np.sqrt((weight * margin**2).sum())  # then both columns are of size 1
    design = np.stack([margin / scale, np.ones_like(margin)])

    def loss(line: np.ndarray) -> float:
        score = line @ design
        return float((weight * (np.logaddexp(0, score) - label * score)).sum())

    line = np.zeros(2)  # slope and bias
    for _ in range(_MOST_STEPS):
        probability = Calibration().probability(line @ design)
        slope = design @ (weight * (probability - label))
        curvature = (design * weight * probability * (1 - probability)) @ design.T + 1e-12 * np.eye(2)
        step = np.linalg.solve(curvature, slope)
        before = loss(line)
        while loss(line - step) > before and np.abs(step).max() > 1e-12:
            step /= 2
        line = line - step
        if np.abs(step).max() < 1e-9:
            break
    try:
        return checked({'temperature': round(scale / line[0], 6), 'bias': round(line[1], 6)}) if line[0] > 0 else None
    except Lie:
        return None


@dataclass(frozen=True)
class Forecast:
    """Probabilities of foreground for the pixels of a data set, and what the pixels were.

    Attributes:
        probability: ``(M,)``, 0 to 1: probability of a group of pixels.
        counts: ``(2, M)``: number of background and of foreground pixels in the group.
    """

    probability: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, counts: np.ndarray, calibration: Calibration) -> 'Forecast':
        """Return what a calibration says of the margins in a histogram, ``(2, BINS)``."""
        return cls(calibration.probability(MARGINS), counts)

    @classmethod
    def cross_fitted(cls, halves: Sequence[np.ndarray]) -> 'Forecast | None':
        """Return what the calibration of each half says of the other half; ``None`` if a half has no calibration.

        No pixel is judged by a calibration that has seen it. Halves of a film are to be contiguous, since neighbouring frames
        are nearly the same.
        """
        first, second = (fit(counts) for counts in halves)
        if first is None or second is None:
            return None
        parts = [cls.of(halves[1], first), cls.of(halves[0], second)]
        return cls(np.concatenate([part.probability for part in parts]), np.hstack([part.counts for part in parts]))

    def bins(self) -> np.ndarray:
        """Return the reliability table: for equal bins of the probability, its sum over the pixels, foreground and pixels.

        Shape:
            - output: ``(3, RELIABILITY_BINS)``.
        """
        places = np.minimum((self.probability * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)
        pixels = self.counts.sum(0)
        columns = (pixels * self.probability, self.counts[1], pixels)
        return np.stack([np.bincount(places, column, RELIABILITY_BINS) for column in columns])

    @property
    def error(self) -> float:
        """Expected calibration error, 0 to 1: how far the probability is from the share of foreground, averaged over pixels.

        Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3, for the probability of foreground.
        """
        expected, foreground, pixels = self.bins()
        return float(np.abs(expected - foreground).sum() / pixels.sum())

    @property
    def log_loss(self) -> float:
        """Mean negative logarithm of the probability of what a pixel was, in nats."""
        low = np.finfo(np.float64).tiny
        logarithms = np.log(np.maximum(np.stack([1 - self.probability, self.probability]), low))
        return float(-(self.counts * logarithms).sum() / self.counts.sum())

    def abstaining(self, p: float) -> tuple[float, float, float]:
        """Return what a band does in which neither class has the probability ``p``, see :func:`.abstain`.

        Returns:
            Share of the pixels in the band, share of the foreground's pixels in the band, and share of the errors among the
            pixels outside of it, each 0 to 1.
        """
        sure = np.maximum(self.probability, 1 - self.probability) >= p
        wrong = np.where(self.probability > 0.5, self.counts[0], self.counts[1])
        decided = self.counts[:, sure].sum()
        return (
            float(1 - decided / self.counts.sum()),
            float(1 - self.counts[1, sure].sum() / self.counts[1].sum()),
            float(wrong[sure].sum() / max(decided, 1)),
        )

"""Precision and recall of the foreground for every threshold of the margin."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmseg_bisenet_lite.utils.operating_points import OperatingPoints

# Thresholds of the sweep: scores trained with hinge loss lie around -1 and 1, scores trained with cross entropy far beyond.
_FINE, _COARSE = np.arange(-1000, 1001) / 100, 10 * 1.01 ** np.arange(1, 464)
THRESHOLDS = np.concatenate([-_COARSE[::-1], _FINE, _COARSE])
BINS = len(THRESHOLDS) + 1

# A margin for each bin: the middle between two thresholds, and the outermost thresholds for the two bins beyond them.
MARGINS = (np.append(THRESHOLDS[0], THRESHOLDS) + np.append(THRESHOLDS, THRESHOLDS[-1])) / 2

# Shares of precision and recall for which a checkpoint keeps the threshold.
_SHARES = np.concatenate([np.arange(5, 50, 5), np.arange(50, 100), [99.5, 99.9, 100]]) / 100


def histogram(margins: Tensor, label: Tensor, ignore_index: int = 255) -> np.ndarray:
    """Count the background and foreground pixels whose margin lies between two neighbours in ``THRESHOLDS``.

    Args:
        margins: ``(H, W)``, in score units; NaN counts as the lowest margin.
        label: ``(H, W)``: 0, 1 or ``ignore_index``.
        ignore_index: Label of the pixels to leave out.

    Returns:
        ``(2, BINS)``, int64, counts of background and foreground. Bin ``i`` holds the margins above threshold ``i - 1`` and not
        above threshold ``i``.
    """
    known = torch.nan_to_num(margins.float(), nan=-torch.inf)
    places = torch.bucketize(known, torch.from_numpy(THRESHOLDS).to(known)) + (label == 1) * BINS
    return torch.bincount(places[label != ignore_index], minlength=2 * BINS).view(2, -1).cpu().numpy()


# A decision is poor if its F1 is less than this share of the highest F1 that another threshold gives.
LEAST_SHARE = 0.9


def is_poor(f1: float, best_f1: float) -> bool:
    """Whether a decision is clearly worse than that of the best threshold, both scores from 0 to 1, or both in percent."""
    return f1 < LEAST_SHARE * best_f1


@dataclass(frozen=True)
class Sweep:
    """Precision and recall of the foreground for each of ``THRESHOLDS``.

    Attributes:
        precision: Precision from 0 to 1; 1 where no pixel is above the threshold.
        recall: Recall from 0 to 1.
        share: Share of the foreground in all pixels. It is the precision if every pixel is called foreground.
    """

    precision: np.ndarray
    recall: np.ndarray
    share: float

    @classmethod
    def of(cls, counts: np.ndarray) -> 'Sweep':
        """Make a sweep from a sum of :func:`histogram` results that has some foreground."""
        background, foreground = counts.sum(1, keepdims=True) - counts[:, :-1].cumsum(1)  # above each threshold
        found = background + foreground
        precision = np.divide(foreground, found, out=np.ones(len(found)), where=found > 0)
        return cls(precision, foreground / counts[1].sum(), float(counts[1].sum() / counts.sum()))

    @property
    def f1(self) -> np.ndarray:
        """Harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return np.divide(2 * self.precision * self.recall, total, out=np.zeros(len(total)), where=total > 0)

    @property
    def best(self) -> int:
        """Index of the threshold with the highest F1; of several, the threshold nearest to 0."""
        f1 = self.f1
        ties = np.flatnonzero(f1 == f1.max())
        return int(ties[np.abs(THRESHOLDS[ties]).argmin()])

    def f1_at(self, threshold: float) -> float:
        """Return the F1 at one of ``THRESHOLDS``, or at the one nearest to the given number."""
        return float(self.f1[np.abs(THRESHOLDS - threshold).argmin()])

    @property
    def average_precision(self) -> float:
        """Area under the curve of precision over recall, from 0 to 1; each step counts with the precision at its end.

        Source: the definition of scikit-learn's ``average_precision_score``. That function uses every score as a threshold, so
        its result is a little higher, on CamVid's val by less than 0.1 points.
        """
        # From the highest threshold to the lowest, then to the point where every pixel is called foreground.
        recall, precision = np.append(self.recall[::-1], 1.0), np.append(self.precision[::-1], self.share)
        return float((np.diff(recall, prepend=0.0) * precision).sum())

    def operating_points(self) -> OperatingPoints:
        """Return some hundred points: the best threshold, and for each of some shares the best one with at least this share.

        For a recall that is the highest threshold, for a precision the lowest one.
        """
        some = self.recall > 0
        chosen = {self.best}
        for share in _SHARES:
            chosen.update(np.flatnonzero(some & (self.recall >= share))[-1:].tolist())
            chosen.update(np.flatnonzero(some & (self.precision >= share))[:1].tolist())
        places = sorted(chosen)
        precision, recall = (
            tuple((np.floor(column[places] * 1000 + 1e-6) / 1000).tolist()) for column in (self.precision, self.recall)
        )
        return OperatingPoints(tuple(THRESHOLDS[places].round(4).tolist()), precision, recall)

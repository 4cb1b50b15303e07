"""Precision and recall of the foreground, for every threshold that its margin may have to exceed."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

# Thresholds of the sweep: scores trained with hinge loss lie around -1 and 1, those of cross entropy go much further.
_FINE, _COARSE = np.arange(-1000, 1001) / 100, 10 * 1.01 ** np.arange(1, 464)
THRESHOLDS = np.concatenate([-_COARSE[::-1], _FINE, _COARSE])
BINS = len(THRESHOLDS) + 1


def histogram(margins: Tensor, label: Tensor, ignore_index: int = 255) -> np.ndarray:
    """How many background and foreground pixels have a margin between one threshold of ``THRESHOLDS`` and the next.

    Args:
        margins: ``(H, W)``; what is no number counts as the least.
        label: ``(H, W)``: 0, 1 or ``ignore_index``.
        ignore_index: The label that does not count.

    Returns:
        ``(2, BINS)``, int64: a bin holds what is above the threshold before it and not above its own.
    """
    known = torch.nan_to_num(margins.float(), nan=-torch.inf)
    places = torch.bucketize(known, torch.from_numpy(THRESHOLDS).to(known)) + (label == 1) * BINS
    return torch.bincount(places[label != ignore_index], minlength=2 * BINS).view(2, -1).cpu().numpy()


@dataclass(frozen=True)
class Sweep:
    """Precision and recall of the foreground for each of ``THRESHOLDS``.

    Attributes:
        precision: In 0 to 1, where nothing is found 1.
        recall: In 0 to 1.
        share: Of the foreground in all pixels, which is the precision where all is found.
    """

    precision: np.ndarray
    recall: np.ndarray
    share: float

    @classmethod
    def of(cls, counts: np.ndarray) -> 'Sweep':
        """From a sum of :func:`histogram` s with some foreground in it."""
        background, foreground = counts.sum(1, keepdims=True) - counts[:, :-1].cumsum(1)  # above each threshold
        found = background + foreground
        precision = np.divide(foreground, found, out=np.ones(len(found)), where=found > 0)
        return cls(precision, foreground / counts[1].sum(), float(counts[1].sum() / counts.sum()))

    @property
    def f1(self) -> np.ndarray:
        """Harmonic mean of both."""
        total = self.precision + self.recall
        return np.divide(2 * self.precision * self.recall, total, out=np.zeros(len(total)), where=total > 0)

    @property
    def best(self) -> int:
        """Index of the threshold with the highest F1; of several the one nearest to 0."""
        f1 = self.f1
        ties = np.flatnonzero(f1 == f1.max())
        return int(ties[np.abs(THRESHOLDS[ties]).argmin()])

    @property
    def average_precision(self) -> float:
        """Area under the curve of precision over recall, each step with the precision at its end, in 0 to 1.

        Source: the definition of scikit-learn's ``average_precision_score``, which takes every score for a threshold and so
        comes out a little higher, on CamVid's val by less than 0.1 points.
        """
        # From the highest threshold to the lowest, and on to where all is found.
        recall, precision = np.append(self.recall[::-1], 1.0), np.append(self.precision[::-1], self.share)
        return float((np.diff(recall, prepend=0.0) * precision).sum())

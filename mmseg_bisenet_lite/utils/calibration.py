"""Calibration: from the margin of a network to the probability that a pixel is foreground."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Calibration:
    """The probability that a pixel is foreground: ``sigmoid(margin / temperature + bias)``.

    The margin is the network's own, before any threshold is subtracted. Without arguments it is the plain sigmoid.

    Attributes:
        temperature: Above 0, in score units: above 1 it makes the network less sure of itself.
        bias: Log-odds of the foreground where the margin is 0.

    Source: Platt, Probabilistic Outputs for Support Vector Machines, 1999; for the temperature Guo et al., On Calibration of
    Modern Neural Networks, ICML 2017.
    """

    temperature: float = 1.0
    bias: float = 0.0

    def probability(self, margin: np.ndarray) -> np.ndarray:
        """Return the probability of foreground, 0 to 1, for margins of any shape, in their type."""
        # A sigmoid by tanh, which does not overflow.
        return np.tanh(margin * (0.5 / self.temperature) + 0.5 * self.bias) * 0.5 + 0.5

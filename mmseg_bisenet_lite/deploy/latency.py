"""Latency: durations, such as of calls, and their quantiles."""

from collections import deque

import numpy as np


class Latency:
    """Count calls, and remember the durations of the latest ones.

    Args:
        window: Number of calls to remember; the quantiles are taken over these.
        unit: What is counted, for ``str``.

    Attributes:
        calls: Number of calls since the start, or since :meth:`reset`.
    """

    def __init__(self, window: int = 1000, unit: str = 'calls') -> None:
        self._seconds: deque[float] = deque(maxlen=window)
        self._unit = unit
        self.calls = 0

    def add(self, seconds: float) -> None:
        """Add the duration of a call; the threads of a stream may call this at the same time."""
        self._seconds.append(seconds)
        self.calls += 1

    def reset(self) -> None:
        """Forget all calls so far, such as the slow first ones."""
        self._seconds.clear()
        self.calls = 0

    def quantile(self, share: float) -> float:
        """Return the duration in seconds that a share (0 to 1) of the remembered calls did not exceed; NaN before any call."""
        return float(np.quantile(list(self._seconds), share)) if self._seconds else float('nan')

    @property
    def median(self) -> float:
        """Median duration in seconds."""
        return self.quantile(0.5)

    def __str__(self) -> str:
        if not self._seconds:
            return f'0 {self._unit}'
        median, p90, p99 = (1e3 * self.quantile(share) for share in (0.5, 0.9, 0.99))
        return f'{self.calls} {self._unit}, median {median:.2f} ms, p90 {p90:.2f} ms, p99 {p99:.2f} ms'

"""How long the calls took."""

from collections import deque

import numpy as np


class Latency:
    """Counts calls and remembers the seconds of the latest of them.

    Args:
        window: How many it remembers; the quantiles are of these.

    Attributes:
        calls: Since the start, or since :meth:`reset`.
    """

    def __init__(self, window: int = 1000) -> None:
        self._seconds: deque[float] = deque(maxlen=window)
        self.calls = 0

    def add(self, seconds: float) -> None:
        """One call; a stream's workers add theirs at the same time."""
        self._seconds.append(seconds)
        self.calls += 1

    def reset(self) -> None:
        """Forget everything, for example the slow first calls."""
        self._seconds.clear()
        self.calls = 0

    def quantile(self, share: float) -> float:
        """Seconds that this share of the remembered calls stayed within; NaN before the first call."""
        return float(np.quantile(list(self._seconds), share)) if self._seconds else float('nan')

    @property
    def median(self) -> float:
        """Seconds."""
        return self.quantile(0.5)

    def __str__(self) -> str:
        median, p90, p99 = (1e3 * self.quantile(share) for share in (0.5, 0.9, 0.99))
        return f'{self.calls} calls, median {median:.2f} ms, p90 {p90:.2f} ms, p99 {p99:.2f} ms'

"""Meter: how many frames a run has done, how fast, and what it waits for."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Share of the time that the network may wait and still be called the bottleneck: a wait at the start, or now and then.
_SHARE = 0.1


class Meter:
    """Counts frames, and adds up where the thread of the network spends its time.

    Reading and writing go on in other threads. So if the network's thread waits, the stage that it waits for is the bottleneck.

    Attributes:
        done: Number of frames that have a mask.
        skipped: Number of frames whose outputs were there already.
        failed: Number of images, frames and videos that failed.
        seconds: Stage -> seconds that the network's thread spent on it.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.done = self.skipped = self.failed = 0
        self.seconds = {'reading': 0.0, 'network': 0.0, 'writing': 0.0}
        self._clock = clock
        self._start = clock()

    @contextmanager
    def spent(self, stage: str) -> Iterator[None]:
        """Add the duration of a block to a stage."""
        start = self._clock()
        try:
            yield
        finally:
            self.seconds[stage] += self._clock() - start

    @property
    def tried(self) -> int:
        """Number of frames done and failed."""
        return self.done + self.failed

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._start

    @property
    def rate(self) -> float:
        """Frames a second since the start, without those skipped."""
        return self.tried / max(self.elapsed, 1e-9)

    @property
    def bottleneck(self) -> str:
        """The stage that sets the speed: the one that the network waits for, or else the network."""
        waits = {stage: self.seconds[stage] for stage in ('reading', 'writing')}
        slowest = max(waits, key=lambda stage: waits[stage])
        return slowest if waits[slowest] > _SHARE * sum(self.seconds.values()) else 'network'

    def left(self, total: int | None) -> float | None:
        """Return the seconds that ``total`` frames will take from now on, if that can be told."""
        if total is None or not self.tried:
            return None
        return max(0, total - self.tried - self.skipped) / self.rate

    def __str__(self) -> str:
        counts = f'frames: {self.done} done, {self.skipped} skipped, {self.failed} failed'
        if not self.done:
            return counts
        whole = max(sum(self.seconds.values()), 1e-9)
        shares = ', '.join(f'{stage} {spent / whole:.0%}' for stage, spent in self.seconds.items())
        return f'{counts}; {self.rate:.1f} a second; bottleneck: {self.bottleneck} (time spent on {shares})'

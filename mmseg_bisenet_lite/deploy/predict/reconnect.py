"""Open a camera or a stream again when it breaks."""

import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace

from mmseg_bisenet_lite.deploy.predict.frames import Failure, Frame, Source
from mmseg_bisenet_lite.utils.errors import InputError


def print_error(line: str) -> None:
    """Print a line on standard error."""
    print(line, file=sys.stderr, flush=True)


def reason_of(source: Source, error: Exception) -> str:
    """Return why a source broke, in a line that names it."""
    return error.line if isinstance(error, InputError) else f'{source.label}: {error}'


@dataclass
class Reconnecting:
    """The frames of a source; a live source that breaks after its first frame is opened again.

    The waits before the attempts double from the first to the longest of ``delays``, and begin anew once frames have come.
    Frames are numbered on, so their names stay unique.

    Attributes:
        source: Each ``iter(source)`` opens it anew.
        seconds: Seconds without a frame after which it is given up; 0 makes no attempt.
        delays: First and longest wait before an attempt, in seconds.
        tell: Takes a line about each attempt, each success and each damaged frame.
        stop: Once set, the frames end, also during a wait.
        wanted: Whether a frame that comes now is wanted; if not, a source that can ``skim`` saves its conversion.
        reconnects: Number of times that frames came again.
    """

    source: Source
    seconds: float
    delays: tuple[float, float]
    tell: Callable[[str], None]
    stop: threading.Event
    wanted: Callable[[], bool] = lambda: True
    reconnects: int = 0

    def __iter__(self) -> Generator[Frame | None, None, None]:
        """Yield the frames until the source ends, and ``None`` in place of one that was not wanted.

        Raises:
            InputError: The source cannot be opened at first, or broke and could not be opened again.
        """
        count = attempts = 0
        delay, broke = self.delays[0], 0.0
        while not self.stop.is_set():
            offset = count
            try:
                with closing(_items(self.source, self.wanted)) as items:
                    for item in items:
                        count += 1
                        if isinstance(item, Failure):
                            self.tell(item.error.line)
                            continue
                        if attempts:
                            took = time.monotonic() - broke
                            self.tell(f'{self.source.label}: frames come again after {took:.1f} s, at attempt {attempts}')
                            self.reconnects, attempts, delay = self.reconnects + 1, 0, self.delays[0]
                        if item and offset:
                            number = item.number + offset
                            item = replace(item, number=number, name=self.source.name(number))
                        yield item
                return
            except (InputError, OSError) as error:
                if not (self.source.live and self.seconds and count):
                    raise
                broke = broke if attempts else time.monotonic()
                took = time.monotonic() - broke
                wait = min(delay, self.seconds - took)
                reason = reason_of(self.source, error)
                if wait <= 0:
                    raise InputError(f'{reason}; given up after {attempts} attempts in {took:.0f} s') from error
                attempts, delay = attempts + 1, min(2 * delay, self.delays[1])
                self.tell(f'{reason}; attempt {attempts} to open it again follows in {wait:.1f} s')
            self.stop.wait(wait)


def _items(source: Source, wanted: Callable[[], bool]) -> Generator[Frame | Failure | None, None, None]:
    skim = getattr(source, 'skim', None)
    yield from skim(wanted) if skim else source  # closes what the source opened when it is closed itself

"""Progress: a bar on a terminal, or a line now and then in a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from mmseg_bisenet_lite.deploy.predict.meter import Meter

INTERVAL = 30.0  # seconds between two lines in a log
_REFRESH = 0.1  # seconds between two changes of the bar


@contextmanager
def shown(meter: Meter, total: int | None, clock: Callable[[], float] = time.monotonic) -> Iterator[Callable[[], None]]:
    """Show the progress of a run on standard error; yield the function to call after each frame.

    What is written to standard error meanwhile appears above the bar.

    Args:
        meter: Counts the frames.
        total: Number of frames, if it is known.
        clock: Returns seconds.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield every(INTERVAL, clock, lambda: print(_line(meter, total), file=sys.stderr, flush=True))
        return
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn('{task.description}'))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task('', total=total)
        show = lambda: bar.update(task, completed=meter.tried + meter.skipped, description=_state(meter, total))  # noqa: E731
        yield every(_REFRESH, clock, show)


def every(seconds: float, clock: Callable[[], float], call: Callable[[], object]) -> Callable[[], None]:
    """Return a function that calls another one, but at most once in so many seconds."""
    last = clock()

    def tick() -> None:
        nonlocal last
        if clock() - last >= seconds:
            last = clock()
            call()

    return tick


def _state(meter: Meter, total: int | None) -> str:
    left = meter.left(total)
    parts = [f'{meter.rate:.1f} frames a second', f'bottleneck: {meter.bottleneck}']
    return ', '.join(parts if left is None else [*parts, f'{duration(left)} left'])


def _line(meter: Meter, total: int | None) -> str:
    seen = meter.tried + meter.skipped
    return f'{seen}{"" if total is None else f" of {total}"} frames, {meter.failed} failed; {_state(meter, total)}'


def duration(seconds: float) -> str:
    """Return a duration for people, such as ``'1 h 02 min'`` or ``'3 min 05 s'``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours} h {minutes:02} min' if hours else f'{minutes} min {rest:02} s' if minutes else f'{rest} s'

"""Run a network on cameras and streams: on the newest frame of each, and on those of several in one call."""

import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice

from mmseg_bisenet_lite.deploy.latency import Latency
from mmseg_bisenet_lite.deploy.predict.frames import Result, Source
from mmseg_bisenet_lite.deploy.predict.network import Network
from mmseg_bisenet_lite.deploy.predict.newest_frame import NewestFrame, take
from mmseg_bisenet_lite.deploy.predict.progress import INTERVAL, every
from mmseg_bisenet_lite.deploy.predict.reconnect import print_error, reason_of
from mmseg_bisenet_lite.utils.errors import InputError


@dataclass(frozen=True, eq=False)
class LiveResult(Result):
    """The result of a live frame.

    Attributes:
        age: Seconds from ``frame.captured`` until the mask was there.
    """

    age: float


@dataclass(frozen=True)
class SourceReport:
    """How a live source went.

    Attributes:
        label: The source.
        age: Number of results and their ages; the quantiles are over the latest 1000.
        skipped: Number of frames that were read and not segmented, as a newer one came first.
        reconnects: Number of times that frames came again after the source broke.
        error: Why it broke for good; ``None`` if it did not.
    """

    label: str
    age: Latency
    skipped: int
    reconnects: int
    error: Exception | None

    def __str__(self) -> str:
        return f'{self.label}: age of {self.age}; {self.skipped} skipped; {self.reconnects} reconnects'


class LiveRun:
    """The results of live sources, as an iterable.

    Each call of the network takes the newest frames of the sources that have a new one, as many as ``batch``. They have one
    size, and the sources that were served longest ago come first. A source that is slow or broken delays no other one; its
    error is told, and raised when the others have ended too.

    Args:
        network: From frames to results.
        sources: Cameras and streams.
        batch: Number of sources in a call of the network; ``None`` is the file's batch, or all if it takes any number. Where a
            batch is not faster, as on CPUs, 1 gives the youngest masks, since each frame of a call waits for all of them.
        max_fps: At most so many results a second for each source; ``None`` is no limit.
        reconnect_for: Seconds for which a source that broke is opened again.
        tell: Takes lines about sources that break, and about damaged frames; it is called in several threads.

    Raises:
        InputError: An argument is out of its range.
    """

    def __init__(
        self,
        network: Network,
        sources: Sequence[Source],
        *,
        batch: int | None = None,
        max_fps: float | None = None,
        reconnect_for: float = 60.0,
        tell: Callable[[str], None] = print_error,
    ) -> None:
        if not sources:
            raise InputError('live: give at least one camera or stream')
        if batch is not None and batch < 1:
            raise InputError(f'batch={batch}: give a whole number of at least 1')
        self._network, self._tell, self._begun = network, tell, False
        self._batch = batch or network.segmenter.metadata.batch
        changed = threading.Condition()
        self._captures = [
            NewestFrame(source, max_fps, reconnect_for=reconnect_for, tell=tell, changed=changed) for source in sources
        ]
        self._ages = {capture: Latency(unit='frames') for capture in self._captures}

    @property
    def report(self) -> list[SourceReport]:
        """How it went so far, source by source."""
        return [
            SourceReport(capture.source.label, age, capture.skipped, capture.reconnects, capture.error)
            for capture, age in self._ages.items()
        ]

    def __iter__(self) -> Generator[LiveResult, None, None]:
        """Open the sources, yield results until all have ended, and close the sources. This can be done once.

        Raises:
            InputError: This was done before; the network cannot run on the frames; or a source broke for good, after the others
                have ended.
        """
        if self._begun:
            raise InputError('live: a run can be iterated over once; make another one')
        self._begun = True
        self._network.start(*(capture.source for capture in self._captures))
        connections = dict.fromkeys(self._captures, 0)
        broken: set[NewestFrame] = set()
        with ExitStack() as stack:
            for capture in self._captures:
                stack.enter_context(capture)
            while taken := take(self._captures, self._batch):
                for capture in self._captures:
                    if capture.error and capture not in broken and not all(each.ended for each in self._captures):
                        broken.add(capture)
                        self._tell(f'{reason_of(capture.source, capture.error)}; the other sources go on')
                for capture, _ in taken:
                    if capture.reconnects > connections[capture]:
                        connections[capture] = capture.reconnects
                        self._network.restart(capture.source)
                results = self._network([frame for _, frame in taken])
                now = time.monotonic()
                for (capture, frame), result in zip(taken, results, strict=True):
                    age = now - frame.captured
                    self._ages[capture].add(age)
                    yield LiveResult(**vars(result), age=age)
        self.check()

    def check(self) -> None:
        """Raise the error of the first source that broke for good, if any."""
        for capture in self._captures:
            if capture.error:
                raise capture.error


def run_live(
    network: Network,
    sources: Sequence[Source],
    write: Callable[[LiveResult], None] | None,
    *,
    limit: int | None = None,
    batch: int | None = None,
    max_fps: float | None = None,
    reconnect_for: float = 60.0,
    tell: Callable[[str], None] = print_error,
) -> list[SourceReport]:
    """Segment live sources until they end, and tell how it goes, now and then and at the end, also after an error or Ctrl-C.

    Args:
        network: As for :class:`LiveRun`, like the other arguments.
        sources: Cameras and streams.
        write: Takes each result; while it works, frames are skipped. ``None`` drops them.
        limit: Number of results after which to stop, over all sources; ``None`` is no limit.
        batch: Number of sources in a call of the network.
        max_fps: At most so many results a second for each source.
        reconnect_for: Seconds for which a source that broke is opened again.
        tell: Takes lines about sources that break, about damaged frames, and at the end about each source.

    Returns:
        A report for each source.

    Raises:
        InputError: As for :class:`LiveRun`; a source that broke for good is an error also if ``limit`` was reached; or a source
            is not live.
    """
    for source in sources:
        check_live(source)
    run = LiveRun(network, sources, batch=batch, max_fps=max_fps, reconnect_for=reconnect_for, tell=tell)

    def tell_reports() -> None:
        for report in run.report:
            tell(str(report))

    tell_now = every(INTERVAL, time.monotonic, tell_reports)
    try:
        with closing(iter(run)) as results:
            for result in islice(results, limit):
                if write:
                    write(result)
                tell_now()
    finally:
        tell_reports()
    run.check()
    return run.report


def check_live(source: Source) -> None:
    """Raise an :class:`InputError` if a source is a file, most of whose frames would be skipped."""
    if not source.live:
        raise InputError(f'{source.label}: is neither a camera nor a stream; to segment all frames of a file, run it by itself')

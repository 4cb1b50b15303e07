"""Pipeline: frames are read ahead of the network and results written behind it, so the slowest of the three sets the speed."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from itertools import islice, repeat
from typing import Protocol

from mmseg_bisenet_lite.deploy.predict.frames import Failure, Frame, Result, Source
from mmseg_bisenet_lite.deploy.predict.meter import Meter
from mmseg_bisenet_lite.deploy.predict.network import Network
from mmseg_bisenet_lite.deploy.predict.sources import Images
from mmseg_bisenet_lite.deploy.predict.threads import WriteBehind, read_ahead
from mmseg_bisenet_lite.utils.cpu import usable_cores
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import CannotEncodeError

# Threads that decode images, and as many that encode them. More would only hold more frames in memory.
THREADS = min(4, usable_cores())
AHEAD = 2 * THREADS  # frames that are read and not yet segmented; as many results wait to be written


class Writer(Protocol):
    """Where results go.

    Attributes:
        together: Whether the frames of a moving source are skipped only all together, as those of a video.
    """

    together: bool

    def done(self, frame_name: str, source: Source) -> bool:
        """Whether all outputs of a frame exist."""
        ...

    def length(self, source: Source) -> int | None:
        """Return the number of frames of a source, as far as it is known."""
        ...

    def write(self, result: Result) -> None:
        """Write a result; several threads may call this at once, for a moving source only one.

        Raises:
            CannotEncodeError: It cannot be encoded; the others can.
        """
        ...

    def end(self, source: Source, frames: int) -> None:
        """Note that a video was read to its end, and its number of frames."""
        ...


@dataclass
class Pipeline:
    """Segments the frames of sources, one source after the other.

    Attributes:
        network: From frames to results.
        writer: Where the results go; ``None`` drops them.
        meter: Counts the frames.
        fail: Called with each image, frame or video that fails.
        tick: Called after each frame, to show the progress.
        batch: Number of frames of one size in a call of the network.
        limit: Number of frames to try; ``None`` is all.
    """

    network: Network
    writer: Writer | None
    meter: Meter
    fail: Callable[[Source, Failure], None]
    tick: Callable[[], None] = lambda: None
    batch: int = 1
    limit: int | None = None

    def run(self, sources: Iterable[Source]) -> None:
        """Segment the frames of the sources.

        Raises:
            InputError: Results cannot be written. What fails in a source, and what of it cannot be encoded, is given to
                ``fail``, and the others are done.
        """
        self._taken = 0
        self._unwritten: list[Failure | None] = []  # of the source that is being read
        for source in sources:
            if self._taken == self.limit:
                break
            if source.moving and (done := self._all_done(source)):
                self._skip(done)
                continue
            self.network.start(source)
            self._length = 0  # of a source that was read to its end
            with ExitStack() as stack:
                stack.callback(self._tell_unwritten, source)  # once all is written, however this ends
                writing = None
                if self.writer:
                    writing = stack.enter_context(WriteBehind(self._write, 1 if source.moving else THREADS, AHEAD))
                self._run_one(source, writing)
                if writing:
                    with self.meter.spent('writing'):
                        writing.flush()
                if self.writer and self._length and source.moving and not isinstance(source, Images) and not source.live:
                    self.writer.end(source, self._length)

    def _run_one(self, source: Source, writing: 'WriteBehind[Result] | None') -> None:
        with closing(self._frames(source)) as frames:
            for group in _groups(frames, self.batch):
                results = self._segment(source, group)
                for result in results:
                    if writing:
                        with self.meter.spent('writing'):
                            writing.put(result)
                    self.meter.done += 1
                    self.tick()
                # The other frames of a video have the same size, so they fail too.
                if (source.moving and self._unwritten) or (not isinstance(source, Images) and len(results) < len(group)):
                    break

    def _write(self, result: Result) -> None:
        """Write a result, in a thread; note one that cannot be encoded, and then each of the same video."""
        try:
            if self._unwritten and result.frame.source.moving:
                self._unwritten.append(None)
            elif self.writer:
                self.writer.write(result)
        except CannotEncodeError as error:
            self._unwritten.append(Failure(result.frame.name, error))

    def _tell_unwritten(self, source: Source) -> None:
        for failure in self._unwritten:
            self.meter.done -= 1
            if failure:
                self._failed(source, failure)
        self._unwritten.clear()

    def _segment(self, source: Source, group: list[Frame]) -> list[Result]:
        """Return the results of frames; those that fail are left out."""
        try:
            with self.meter.spent('network'):
                return self.network(group)
        except InputError as error:
            if len(group) > 1:
                return [result for frame in group for result in self._segment(source, [frame])]
            what = source.files[group[0].number] if isinstance(source, Images) else source.label
            self._failed(source, Failure(group[0].name, InputError(f'{what}: {error.line}')))
            return []

    def _frames(self, source: Source) -> Generator[Frame, None, None]:
        """Yield the frames of a source that are to be segmented."""
        length = 0
        with ExitStack() as stack:
            if isinstance(source, Images):
                tasks: Iterable[Callable[[], Frame | Failure | None]] = self._images(source)
                threads = THREADS
            else:
                tasks, threads = repeat(partial(next, stack.enter_context(closing(_generator(source))), None)), 1
            read = stack.enter_context(closing(read_ahead(tasks, threads, AHEAD)))
            while self._taken != self.limit:
                try:
                    with self.meter.spent('reading'):
                        item = next(read, None)
                except InputError as error:
                    self._failed(source, Failure(source.label, error))
                    return
                if item is None:
                    self._length = length
                    return
                length = item.number + 1 if isinstance(item, Frame) else length
                if not isinstance(source, Images) and isinstance(item, Frame) and self._skips(source, item.name):
                    self._skip()
                    continue
                self._taken += 1
                if isinstance(item, Failure):
                    self._failed(source, item)
                else:
                    yield item

    def _images(self, source: Images) -> Iterator[Callable[[], Frame | Failure]]:
        """Yield functions that read the images that are to be segmented; what is done is not even opened."""

        def wanted() -> Iterator[int]:
            for number in range(source.count):
                if self._skips(source, source.name(number)):
                    self._skip()
                else:
                    yield number

        left = None if self.limit is None else self.limit - self._taken
        return (partial(source.read, number) for number in islice(wanted(), left))

    def _skips(self, source: Source, name: str) -> bool:
        if self.writer is None or (source.moving and (self.writer.together or self.network.stabilise)):
            return False
        return self.writer.done(name, source)

    def _all_done(self, source: Source) -> int:
        """Return the number of frames of a moving source whose outputs all exist; 0 if one is missing, or it is not known."""
        writer = self.writer
        if writer is None or source.live or not (length := writer.length(source)):
            return 0
        return length if all(writer.done(source.name(number), source) for number in range(length)) else 0

    def _skip(self, frames: int = 1) -> None:
        self.meter.skipped += frames
        self.tick()

    def _failed(self, source: Source, failure: Failure) -> None:
        self.meter.failed += 1
        self.fail(source, failure)
        self.tick()


def _generator(source: Source) -> Generator[Frame | Failure, None, None]:
    yield from source  # closes what the source opened when it is closed itself


def _groups(frames: Iterable[Frame], size: int) -> Iterator[list[Frame]]:
    """Yield consecutive frames of one shape, up to ``size`` of them."""
    group: list[Frame] = []
    for frame in frames:
        if group and frame.pixels.shape != group[0].pixels.shape:
            yield group
            group = []
        group.append(frame)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group

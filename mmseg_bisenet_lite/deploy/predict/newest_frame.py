"""The newest frame of a camera: a thread reads all frames, and those that nobody took in time are skipped."""

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from types import TracebackType

from mmseg_bisenet_lite.deploy.predict.frames import Frame, Source
from mmseg_bisenet_lite.deploy.predict.reconnect import Reconnecting, print_error
from mmseg_bisenet_lite.utils.errors import InputError

DELAYS = (0.5, 30.0)  # seconds: first and longest wait before a source that broke is opened again
CLOSE_SECONDS = 0.5  # longest wait on closing for a read that does not return; its thread then ends with the program


class NewestFrame:
    """Read a source in a thread, and hand over its newest frame.

    There is one slot and no queue: a frame that is not taken is replaced by the next one, so no frame waits for longer than one
    interval of the source. ``Frame.captured`` is the time at which the driver or the stream's decoder handed it over. The
    buffers of the camera, the driver and the network lie before that time, and the delay in them cannot be seen from here.

    Args:
        source: Where the frames come from. It is opened on entering the context, in the thread.
        max_fps: Hand over at most so many frames a second; ``None`` is no limit.
        reconnect_for: Seconds for which a live source that breaks is opened again, see
            :class:`~mmseg_bisenet_lite.deploy.predict.reconnect.Reconnecting`; 0 makes its first failure an error.
        delays: First and longest wait before an attempt to open the source again, in seconds; the default is :data:`DELAYS`.
        tell: Takes the lines about attempts and damaged frames, in the thread.
        changed: Notified when a frame has come or the source has ended; shared by those that :func:`take` waits for.

    Attributes:
        source: The source.
        skipped: Number of frames that were read and not handed over.
        reconnects: Number of times that frames came again after the source broke.
        error: Why the source broke; ``None`` while it runs, and if it ended as it should.

    Raises:
        InputError: ``max_fps`` or ``reconnect_for`` is out of its range.

    Example:
        >>> with NewestFrame(source) as newest:
        ...     for frame in newest:
        ...         mask = segmenter(frame.pixels)
    """

    def __init__(
        self,
        source: Source,
        max_fps: float | None = None,
        *,
        reconnect_for: float = 60.0,
        delays: tuple[float, float] | None = None,
        tell: Callable[[str], None] = print_error,
        changed: threading.Condition | None = None,
    ) -> None:
        if max_fps is not None and not (math.isfinite(max_fps) and max_fps > 0):
            raise InputError(f'max_fps={max_fps}: give a number above 0')
        if not reconnect_for >= 0:
            raise InputError(f'reconnect_for={reconnect_for}: give a number of seconds, 0 or more')
        self.source = source
        self.skipped = self.reconnects = 0
        self.error: Exception | None = None
        self._changed = changed or threading.Condition()
        self._period = 1 / max_fps if max_fps else 0.0
        self._slot: Frame | None = None
        self._taken = self._due = 0.0  # when the last frame was taken, and from when on the next one may be
        self._between, self._awaited = 0.0, False  # seconds between the last two that were taken; whether a frame is waited for
        self._stop = threading.Event()
        self._frames = Reconnecting(source, reconnect_for, delays or DELAYS, tell, self._stop, self._wanted)
        self._thread = threading.Thread(target=self._read, name=f'newest frame of {source.label}', daemon=True)

    @property
    def ended(self) -> bool:
        """Whether no more frames come."""
        return self._stop.is_set() and self._slot is None

    def __enter__(self) -> 'NewestFrame':
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        """Yield the newest frame again and again, each frame once; wait where there is no new one.

        Raises:
            InputError: The source cannot be opened, or broke and could not be opened again.
        """
        while taken := take([self]):
            yield taken[0][1]
        if self.error:
            raise self.error

    def close(self) -> None:
        """Stop to read. A read that blocks delays this by :data:`CLOSE_SECONDS` at most."""
        self.stop()
        self._thread.join(CLOSE_SECONDS)

    def stop(self) -> None:
        """Tell the thread to end, and forget the frame that was not taken."""
        with self._changed:
            self._stop.set()
            self.skipped += self._slot is not None
            self._slot = None

    def _read(self) -> None:
        try:
            with closing(iter(self._frames)) as frames:
                for frame in frames:
                    with self._changed:
                        if self._stop.is_set():
                            return
                        if frame is None:
                            self.skipped += 1
                            continue
                        self.skipped += self._slot is not None
                        self._slot, self.reconnects = frame, self._frames.reconnects
                        self._changed.notify_all()
        except Exception as error:  # any error of the source; it is raised where the frames are taken
            self.error = error
        finally:
            with self._changed:
                self._stop.set()
                self._changed.notify_all()

    def _wanted(self) -> bool:
        """Whether a frame that comes now may be handed over.

        In the first half of the time between two that are taken it will be replaced, if the source is faster than that.
        """
        now = time.monotonic()
        return now >= self._due and (self._awaited or now >= self._taken + self._between / 2)

    def _hand_over(self, now: float) -> None:
        self._between = now - self._taken if self._taken else 0.0
        self._slot, self._taken, self._awaited = None, now, False
        # A frame that comes late by less than a period does not put off the next one.
        self._due = (self._due if now < self._due + self._period else now) + self._period


def take(captures: Sequence[NewestFrame], most: int | None = None) -> list[tuple[NewestFrame, Frame]]:
    """Wait for new frames, and return those of one size, beginning with the source that was served longest ago.

    Other frames stay where they are, and newer ones may replace them.

    Args:
        captures: The sources, which share one condition ``changed``.
        most: Number of frames to return at most.

    Returns:
        One frame or more, each with its source; none when all sources have ended.
    """
    changed = captures[0]._changed
    with changed:
        while any(not capture.ended for capture in captures):
            now = time.monotonic()
            filled = [(capture, frame) for capture in captures if (frame := capture._slot)]
            due = sorted((pair for pair in filled if pair[0]._due <= now), key=lambda pair: pair[0]._taken)
            if due:
                alike = [pair for pair in due if pair[1].pixels.shape == due[0][1].pixels.shape][:most]
                for capture, _ in alike:
                    capture._hand_over(now)
                return alike
            for capture in captures:
                capture._awaited = True
            changed.wait(min((capture._due - now for capture, _ in filled), default=None))
    return []

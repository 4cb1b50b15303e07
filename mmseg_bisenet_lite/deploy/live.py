"""Live: the masks of the newest frames of cameras and streams, in Python."""

import time
from collections.abc import Generator, Iterable
from typing import cast

import numpy as np

from mmseg_bisenet_lite.deploy.predict.frames import Frame, Source
from mmseg_bisenet_lite.deploy.predict.live_runner import LiveRun, check_live
from mmseg_bisenet_lite.deploy.predict.network import Network, Segments
from mmseg_bisenet_lite.deploy.predict.sources import sources_of


def live(
    segmenter: Segments,
    *cameras: 'str | int | Source | Iterable[np.ndarray]',
    batch: int | None = None,
    max_fps: float | None = None,
    reconnect_for: float = 60.0,
) -> LiveRun:
    """Segment the newest frames of one camera or more; frames that come while the network runs are skipped.

    Args:
        segmenter: Runs the network. Give it ``resize=True`` if the frames do not have the file's size.
        cameras: Each the number of a camera; the URL of a stream; or an iterable of frames, (height, width, 3), uint8, BGR.
            The frames of an iterable are copied, so it may reuse its buffers. A stream or an iterable that fails with an
            ``OSError`` is opened again, but an iterator or a generator is not, as it can be iterated over only once.
        batch: Number of cameras in a call of the network; ``None`` is the file's batch, or all if it takes any number. Where a
            batch is not faster, as on CPUs, 1 gives the youngest masks.
        max_fps: At most so many results a second for each camera; ``None`` is no limit.
        reconnect_for: Seconds for which a camera that broke is opened again; 0 makes its first failure an error.

    Returns:
        An iterable of results, with ``frame.pixels``, ``mask``, ``age`` in seconds from capture to mask, and ``frame.source``,
        whose ``label`` is the camera. It stops when the cameras have ended, or when the caller leaves the loop.
        ``report`` says for each camera how old the results were, and how many frames were skipped.

    Raises:
        InputError: An argument is out of its range; while iterating: a camera cannot be opened or broke for good, or its frames
            do not fit the segmenter.

    Example:
        >>> run = live(segmenter, 0, 'rtsp://192.168.1.7/main')
        >>> for result in run:
        ...     print(result.frame.source.label, result.mask.mean(), result.age)
        >>> print(run.report[0])
    """
    return LiveRun(
        Network(segmenter),
        [_source_of(camera, number) for number, camera in enumerate(cameras)],
        batch=batch,
        max_fps=max_fps,
        reconnect_for=reconnect_for,
    )


class _Frames:
    """The frames of an iterable, as a source."""

    moving = True
    rate = None
    count = None
    files = ()

    def __init__(self, frames: Iterable[np.ndarray], label: str) -> None:
        self._frames = frames
        self.label = label
        self.live = iter(frames) is not frames  # an iterator cannot be opened again

    def name(self, number: int) -> str:
        """Return the name of the outputs of a frame."""
        return f'{self.label}/{number:06d}'

    def __iter__(self) -> Generator[Frame, None, None]:
        for number, pixels in enumerate(self._frames):
            captured = time.monotonic()
            yield Frame(np.array(pixels), self, self.name(number), number, captured)


def _source_of(camera: 'str | int | Source | Iterable[np.ndarray]', number: int) -> Source:
    if isinstance(camera, str | int):
        source: Source = sources_of([str(camera)])[0]
        check_live(source)
        return source
    if hasattr(camera, 'moving'):
        return cast('Source', camera)
    return _Frames(camera, f'camera{number}')

"""What passes through a prediction: a frame on its way in, and the result on its way out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from mmseg_bisenet_lite.utils.errors import InputError


class Source(Protocol):
    """Where frames come from: a set of images, a video, a stream or a camera.

    Attributes:
        label: What the user wrote, for messages.
        moving: Whether consecutive frames show one scene that moves, so that state is kept from frame to frame.
        live: Whether frames are lost if nobody takes them: a camera or a stream.
        rate: Frames a second, if known.
        count: Number of frames, if known.
        files: Files that no output may replace.
    """

    label: str
    moving: bool
    live: bool

    @property
    def rate(self) -> float | None:
        """Frames a second, if known."""
        ...

    @property
    def count(self) -> int | None:
        """Number of frames, if known."""
        ...

    @property
    def files(self) -> Sequence[Path]:
        """Files that no output may replace."""
        ...

    def name(self, number: int) -> str:
        """Return the name of the outputs of a frame, see :class:`Frame`."""
        ...

    def __iter__(self) -> 'Iterator[Frame | Failure]':
        """Yield the frames in order, and a failure in place of each file that cannot be read."""
        ...


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame that is to be segmented.

    Attributes:
        pixels: (height, width, 3), uint8, BGR, upright.
        source: Where it comes from.
        name: Name of its outputs without a suffix, with ``/`` between folders, unique in a run, such as ``'street/000012'``.
        number: Number of the frame in its source, from 0; damaged frames count.
        captured: Time at which the frame was taken from its source, in seconds of ``time.monotonic()``.
    """

    pixels: np.ndarray
    source: Source
    name: str
    number: int
    captured: float


@dataclass(frozen=True)
class Failure:
    """A file or a frame that cannot be segmented.

    Attributes:
        name: As for a frame.
        error: Why; its line names the file.
    """

    name: str
    error: InputError


@dataclass(frozen=True, eq=False)
class Result:
    """A frame and what was found in it.

    Attributes:
        frame: The frame.
        mask: (height, width), uint8: 0 background, 1 foreground, 255 undecided (only with an abstain band).
        margin: (height, width), float32, above 0 is foreground; ``None`` if nobody needs it.
        probability: (height, width), float32, 0 to 1: that a pixel is foreground; ``None`` if nobody needs it.
        seconds: Duration of the inference of this frame.
    """

    frame: Frame
    mask: np.ndarray
    margin: np.ndarray | None
    probability: np.ndarray | None
    seconds: float

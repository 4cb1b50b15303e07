"""Images: image files, each a frame of its own."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from mmseg_bisenet_lite.deploy.predict.frames import Failure, Frame
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import read_image


class Images:
    """Image files; a :class:`~mmseg_bisenet_lite.deploy.predict.frames.Source`.

    Args:
        files: The files, in order.
        name_of: Returns the name of a file's outputs.
        label: What the user wrote, for messages.
        moving: Whether they are the frames of a video, one after the other.
    """

    live = False
    rate: float | None = None

    def __init__(self, files: Sequence[Path], name_of: Callable[[Path], str], label: str, moving: bool = False) -> None:
        self.files = files
        self.label = label
        self.moving = moving
        self._name_of = name_of

    @property
    def count(self) -> int:
        """Number of images."""
        return len(self.files)

    def name(self, number: int) -> str:
        """Return the name of the outputs of an image."""
        return self._name_of(self.files[number])

    def read(self, number: int) -> Frame | Failure:
        """Return an image as a frame, or why it cannot be read; several threads may call this at once."""
        try:
            return Frame(read_image(self.files[number]), self, self.name(number), number, time.monotonic())
        except InputError as error:
            return Failure(self.name(number), error)

    def __iter__(self) -> Iterator[Frame | Failure]:
        """Yield the frames in order, and a failure in place of each file that cannot be read."""
        return map(self.read, range(self.count))

"""TiledSegmenter: a part of each frame, in tiles, so that what is small or far away is seen larger."""

import time
from collections.abc import Iterator

import numpy as np

from mmseg_bisenet_lite.deploy.latency import Latency
from mmseg_bisenet_lite.deploy.metadata import Metadata
from mmseg_bisenet_lite.deploy.segmenter import Segmenter, check_frames
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.sizes import size_text

Region = tuple[int, int, int, int]  # (x, y, width, height) in pixels

CERTAIN = 16.0  # a margin of which no calibration, threshold or stabiliser makes anything but background; networks reach 30
MOST_OVERLAP = 0.5  # beyond it more than two tiles lie on each other, and the cost grows without bound


class TiledSegmenter:
    """A Segmenter that sees each frame in overlapping tiles, and only a region of it.

    Each tile is scaled to the size of the file, so an object fills more of the network's input than in the whole frame. The
    tiles of a frame are one call of the Segmenter: one run of the network, if the file was exported with ``--batch`` of at
    least their number. The cost grows with the number of tiles; ``repr`` says it.

    Where tiles overlap, their margins are averaged. The weights fall linearly from the middle of a tile to its edge, where the
    network sees least of what is around a pixel; so no seam is visible.

    Outside of the region all is background. There the margin is the most certain one of the frame, negative, and no less
    certain than ``CERTAIN``.

    Args:
        segmenter: The Segmenter, with ``resize=True`` unless its file takes any size.
        tiles: (columns, rows).
        roi: Region of the frame to look at, (x, y, width, height) in pixels of the frame; ``None`` is the whole frame.
        overlap: Share of a tile's width and height that its neighbour has too, 0 to 0.5.

    Raises:
        InputError: An argument is out of its range; or there are several tiles, and the file has no margin to blend them by.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        tiles: tuple[int, int] = (1, 1),
        roi: Region | None = None,
        overlap: float = 0.2,
    ) -> None:
        if min(tiles) < 1:
            raise InputError(f'tiles={tiles}: give numbers of columns and rows of at least 1')
        if not 0 <= overlap <= MOST_OVERLAP:
            raise InputError(f'overlap={overlap}: give a share from 0 to {MOST_OVERLAP}')
        if roi is not None and (min(roi[:2]) < 0 or min(roi[2:]) < 1):
            raise InputError(f'roi={roi}: give x, y, width and height in pixels, width and height of at least 1')
        if tiles != (1, 1) and not segmenter.metadata.margin:
            raise InputError('tiles are blended by their margins, and the file was exported without: export it with --margin')
        self.tiles, self.roi, self.overlap = tiles, roi, overlap
        self._segmenter = segmenter
        self.latency = Latency()

    @property
    def metadata(self) -> Metadata:
        """Metadata of the file."""
        return self._segmenter.metadata

    @property
    def runtime(self) -> str:
        """Name of the library that runs the file."""
        return self._segmenter.runtime

    @property
    def precision(self) -> str:
        """Precision of the computation, such as ``'fp32'``."""
        return self._segmenter.precision

    @property
    def runs(self) -> int:
        """Number of times that the network runs for a frame, in runs of the file's batch."""
        return -(-self.tiles[0] * self.tiles[1] // (self.metadata.batch or self.tiles[0] * self.tiles[1]))

    def __repr__(self) -> str:
        count = self.tiles[0] * self.tiles[1]
        where = '' if self.roi is None else f' of the region {",".join(map(str, self.roi))}'
        cost = f'{count} image(s) through the network in {self.runs} run(s) for each frame'
        return f'{size_text(self.tiles)} tile(s){where}, {cost}'

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Return the mask of a frame, or the masks of a batch; arguments, values and errors are the Segmenter's.

        Raises:
            InputError: The region does not lie in the frame, or there are more tiles than pixels.
        """
        return self._run(frames, margin=False)[0]

    def with_margin(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mask and margin of a frame or a batch, as the Segmenter does.

        Raises:
            InputError: As for a call; or the file was exported without ``--margin``.
        """
        mask, margin = self._run(frames, margin=True)
        return mask, margin

    def _run(self, frames: np.ndarray, margin: bool) -> tuple[np.ndarray, ...]:
        start = time.perf_counter()
        check_frames(frames)
        batch = frames if frames.ndim == 4 else frames[None]
        x, y, width, height = self._region(batch.shape[2], batch.shape[1])
        inside = batch[:, y : y + height, x : x + width]
        if self.tiles == (1, 1):
            outputs = self._segmenter.with_margin(inside) if margin else (self._segmenter(inside),)
        else:
            blended = self._blended(inside)
            outputs = (blended > 0).astype(np.uint8), blended
        whole = []
        for output in outputs:
            around = np.zeros(batch.shape[:3], output.dtype)
            if output.dtype != np.uint8:
                around -= np.maximum(np.abs(output).max(axis=(1, 2), keepdims=True), CERTAIN)
            around[:, y : y + height, x : x + width] = output
            whole.append(around)
        self.latency.add(time.perf_counter() - start)
        return tuple(whole) if frames.ndim == 4 else tuple(each[0] for each in whole)

    def _region(self, width: int, height: int) -> Region:
        """Return the region in a frame of this size."""
        x, y, wide, high = self.roi or (0, 0, width, height)
        if x + wide > width or y + high > height:
            raise InputError(
                f'the region {x},{y},{wide},{high} (x, y, width, height) does not lie in a frame of {width}x{height}'
            )
        if wide < self.tiles[0] or high < self.tiles[1]:
            raise InputError(f'{size_text(self.tiles)} tiles are more than a region of {wide}x{high} has pixels')
        return x, y, wide, high

    def _blended(self, frames: np.ndarray) -> np.ndarray:
        """Return the margins of frames, (N, height, width), blended from their tiles."""
        count, height, width = frames.shape[:3]
        spans = [
            (rows, columns)
            for rows in _spans(height, self.tiles[1], self.overlap)
            for columns in _spans(width, self.tiles[0], self.overlap)
        ]
        _, margins = self._segmenter.with_margin(np.concatenate([frames[:, rows, columns] for rows, columns in spans]))
        weight = _tent(margins.shape[1])[:, None] * _tent(margins.shape[2])
        total, weights = np.zeros((count, height, width), np.float32), np.zeros((height, width), np.float32)
        for index, (rows, columns) in enumerate(spans):
            total[:, rows, columns] += weight * margins[index * count : (index + 1) * count]
            weights[rows, columns] += weight
        return total / weights


def _spans(length: int, count: int, overlap: float) -> Iterator[slice]:
    """Yield where tiles of equal length lie that cover a length, so that each shares at least a part of its neighbour."""
    tile = min(length, int(np.ceil(length / (count - (count - 1) * overlap))))
    for start in np.linspace(0, length - tile, count).round().astype(int):
        yield slice(int(start), int(start) + tile)


def _tent(length: int) -> np.ndarray:
    """Return weights, float32, that fall linearly from the middle to both ends, where they are still above 0."""
    up = np.arange(1, length + 1, dtype=np.float32)
    return np.minimum(up, up[::-1])

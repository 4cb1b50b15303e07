"""Network: from frames to results, with the state of each source."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from mmseg_bisenet_lite.deploy.calibration import abstain, check_abstain
from mmseg_bisenet_lite.deploy.latency import Latency
from mmseg_bisenet_lite.deploy.metadata import Metadata
from mmseg_bisenet_lite.deploy.predict.frames import Frame, Result, Source
from mmseg_bisenet_lite.deploy.stabiliser import Stabiliser
from mmseg_bisenet_lite.utils.errors import InputError


class Segments(Protocol):
    """What a ``Segmenter`` and a ``TiledSegmenter`` have in common."""

    latency: Latency

    @property
    def metadata(self) -> Metadata:
        """Metadata of the file."""
        ...

    @property
    def runtime(self) -> str:
        """Name of the library."""
        ...

    @property
    def precision(self) -> str:
        """Precision of the computation."""
        ...

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Return masks."""
        ...

    def with_margin(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return masks and margins."""
        ...


@dataclass
class Network:
    """Runs a segmenter on frames, and what follows it in each frame.

    Attributes:
        segmenter: Runs the network.
        margin: Whether the results have margins.
        probability: Whether the results have probabilities.
        stabilise: Whether the masks of a moving source are stabilised.
        abstain: Probability that a class must have for a pixel to be decided; ``None`` decides every pixel.

    Raises:
        InputError: The network gives no margin, or has no calibration, and an option needs it.
    """

    segmenter: Segments
    margin: bool = False
    probability: bool = False
    stabilise: bool = False
    abstain: float | None = None
    _stabilisers: dict[int, Stabiliser] = field(default_factory=dict)  # id of a source -> its Stabiliser

    def __post_init__(self) -> None:
        """Find out before the first frame whether the network gives what is needed."""
        self._calibrated = self.probability or self.abstain is not None
        self._needs_margin = self.margin or self.stabilise or self._calibrated
        if self._needs_margin and not self.segmenter.metadata.margin:
            what = 'margin, confidence, --abstain and --stabilise'
            raise InputError(f'{what} need the margin, which this file was exported without; export it with --margin')
        if self.abstain is not None:
            check_abstain(self.abstain)
        if self._calibrated:
            self.segmenter.metadata.probability(np.zeros((1, 1), np.float32))

    def start(self, *sources: Source) -> None:
        """Begin with sources, whose frames have nothing to do with those before; forget the earlier sources."""
        self._stabilisers = {}
        if self.stabilise:
            self._stabilisers = {id(source): Stabiliser() for source in sources if source.moving}

    def restart(self, source: Source) -> None:
        """Forget the earlier frames of a source that was interrupted."""
        if id(source) in self._stabilisers:
            self._stabilisers[id(source)].reset()

    def __call__(self, frames: Sequence[Frame]) -> list[Result]:
        """Return the results of frames of one size: consecutive ones of a source, or one of each source.

        Raises:
            InputError: The network cannot run on them.
        """
        pixels = frames[0].pixels if len(frames) == 1 else np.stack([frame.pixels for frame in frames])
        start = time.perf_counter()
        outputs = self.segmenter.with_margin(pixels) if self._needs_margin else (self.segmenter(pixels),)
        seconds = (time.perf_counter() - start) / len(frames)
        each = [outputs] if len(frames) == 1 else zip(*outputs, strict=True)
        return [self._result(frame, seconds, *output) for frame, output in zip(frames, each, strict=True)]

    def _result(self, frame: Frame, seconds: float, mask: np.ndarray, margin: np.ndarray | None = None) -> Result:
        if margin is not None and id(frame.source) in self._stabilisers:
            mask, margin = self._stabilisers[id(frame.source)](margin, frame.pixels)
        probability = self.segmenter.metadata.probability(margin) if self._calibrated and margin is not None else None
        if self.abstain is not None and probability is not None:
            mask = abstain(mask, probability, self.abstain)
        kept = margin if self.margin else None
        return Result(frame, mask, kept, probability if self.probability else None, seconds)

"""Views of a frame: its mask, overlay and confidence as pictures."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mmseg_bisenet_lite.deploy.demo.model import Model
from mmseg_bisenet_lite.deploy.paint import paint
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.library import require

# Takes the margin, (height, width), and the frame, (height, width, 3); returns mask and margin.
Stabilise = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Views:
    """What was found in a frame.

    Attributes:
        overlay: (height, width, 3), uint8, BGR: the frame with the foreground tinted.
        mask: (height, width, 3), uint8: background black, foreground white.
        confidence: (height, width, 3), uint8, BGR: probability of the foreground, from dark (0) to yellow (1); ``None`` if the
            network gives none.
        share: Share of the foreground, 0 to 1.
        seconds: Duration of the network's run.
    """

    overlay: np.ndarray
    mask: np.ndarray
    confidence: np.ndarray | None
    share: float
    seconds: float

    @property
    def pictures(self) -> dict[str, np.ndarray]:
        """The pictures that there are, by their names."""
        pictures = {'overlay': self.overlay, 'mask': self.mask, 'confidence': self.confidence}
        return {name: picture for name, picture in pictures.items() if picture is not None}


def views_of(frame: np.ndarray, model: Model, threshold: float, stabilise: Stabilise | None = None) -> Views:
    """Run a network on a frame.

    Args:
        frame: (height, width, 3), uint8, BGR.
        model: The network.
        threshold: Threshold of the network's margin, in score units.
        stabilise: Stabiliser of the video.

    Raises:
        InputError: As for ``Segmenter``; or the network gives no margin, and another threshold or the stabiliser needs it.
    """
    start = time.perf_counter()
    if model.has_margin:
        mask, margin = model.segmenter.with_margin(frame)
    else:
        mask, margin = model.segmenter(frame), None
    seconds = time.perf_counter() - start
    shift = np.float32(threshold - model.threshold)
    probability = None
    if margin is not None:
        margin = margin - shift
        mask = (margin > 0).astype(np.uint8)
        if stabilise:
            mask, margin = stabilise(margin, frame)
        if model.why_no_confidence is None:  # the probability belongs to the network's margin, not to the chosen threshold
            probability = model.segmenter.metadata.probability(margin + shift)
    elif shift or stabilise:
        raise InputError(f'{model.name}: {model.why_no_confidence}, to choose a threshold or the stabiliser')
    return Views(
        overlay=paint(frame, mask, model.segmenter.metadata.palette),
        mask=np.repeat((mask == 1).astype(np.uint8)[..., None] * 255, 3, axis=2),
        confidence=None if probability is None else heat_map(probability),
        share=float((mask == 1).mean()),
        seconds=seconds,
    )


def heat_map(probability: np.ndarray) -> np.ndarray:
    """Return probabilities, (height, width), as colours of viridis, (height, width, 3), uint8, BGR."""
    cv2 = require('cv2', 'opencv-python-headless')
    return cv2.applyColorMap(np.rint(probability * 255).astype(np.uint8), cv2.COLORMAP_VIRIDIS)

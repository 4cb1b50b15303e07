"""Stabiliser: masks of a video that do not flicker."""

from typing import Any

import numpy as np

from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.library import require
from mmseg_bisenet_lite.utils.sizes import size_text

# Longer side, in pixels, of the picture on which motion and past are computed: the cost does not grow with the frame.
# The networks' margins have an eighth of the frame's resolution; the flow gains by more, and above this only costs.
SIDE = 224
_LEAST_SIDE = 16  # the optical flow compares patches of 8x8

# Chosen on CamVid's val frames and a clip of a fixed camera, each in its first half; `deploy/README.md` has the other halves.
MEMORY = 0.8  # weight of the past in the average, where nothing speaks against it
HYSTERESIS = 0.7  # the margin that turns a decision; the shipped networks' is about -5 on background, 1 to 4 on foreground
LIMIT = 2.0  # margins beyond +-LIMIT are no more certain: otherwise one frame could outweigh all others
CHANGE = 20.0  # difference of the pictures, of 255, at which the weight of the past is 1/e
DOUBT = 4.0  # difference of the margins at which the weight of the past is 1/e
CUT = 0.35  # mean weight, as a share of MEMORY, below which it is another scene


class Stabiliser:
    """Averages the margins of consecutive frames along the motion, and lets a decision turn only if the margin is clear.

    The past is carried along by optical flow, so a moving camera or object takes its past with it. It counts less where the
    picture differs from the past picture that was carried there, as behind an object that has left or where the flow is wrong,
    and where the margins differ much: what really changes is not smeared. Then a pixel that was foreground stays so until its
    average is below ``-hysteresis``, and a background pixel until it is above ``hysteresis``; less where the picture differs.

    No frame waits for a later one. An object is for the frames of one source, in their order, from one thread at a time. It
    starts anew when the frame's size changes or the scene is cut.

    Args:
        memory: Weight of the past, from 0 to below 1.
        hysteresis: Margin at which a decision turns, at least 0. A network whose margins are larger needs a larger one.

    Raises:
        InputError: An argument is out of its range, or OpenCV is missing.

    Source: the flow is DIS (Kroeger et al., Fast Optical Flow using Dense Inverse Search, ECCV 2016); the limit of the margin
    is the clamping of OctoMap (Hornung et al., Autonomous Robots 2013, section 3.4), which lets a map follow what changes.
    """

    def __init__(self, memory: float = MEMORY, hysteresis: float = HYSTERESIS) -> None:
        if not 0 <= memory < 1:
            raise InputError(f'memory={memory}: give a weight of at least 0 and below 1')
        if not 0 <= hysteresis < np.inf:
            raise InputError(f'hysteresis={hysteresis}: give a margin of at least 0')
        self.memory, self.hysteresis = memory, hysteresis
        self._cv2: Any = require('cv2', 'opencv-python-headless')
        self._flow = self._cv2.DISOpticalFlow.create(self._cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._flow.setFinestScale(0)  # the preset's is a quarter of the picture, made for large ones
        self.reset()

    def reset(self) -> None:
        """Forget all frames so far."""
        self._size: tuple[int, ...] | None = None  # shape of the last margin
        self._past = self._picture = self._grid = np.empty(0)

    def __call__(self, margin: np.ndarray, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the mask and the margin of the next frame; a pixel is foreground if its margin is above 0.

        Args:
            margin: ``(height, width)``, float32, above 0 is foreground: of this frame alone.
            frame: ``(height, width, 3)``, uint8, BGR.

        Returns:
            mask: ``(height, width)``, uint8, 0 or 1.
            margin: ``(height, width)``, float32: of the first frame it is the given one.

        Raises:
            InputError: Margin and frame have not the same size, or the margin is not finite.
        """
        if margin.shape != frame.shape[:2]:
            sizes = ' and a frame of '.join(size_text(shape[1::-1]) for shape in (margin.shape, frame.shape))
            raise InputError(f'a margin of {sizes}: give the margin of this frame')
        cv2 = self._cv2
        size = margin.shape[1], margin.shape[0]
        small = max(_LEAST_SIDE, SIDE * size[0] // max(size)), max(_LEAST_SIDE, SIDE * size[1] // max(size))
        picture = cv2.resize(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), small, interpolation=cv2.INTER_AREA)
        now = cv2.resize(margin, small, interpolation=cv2.INTER_AREA)
        if not np.isfinite(now.sum()):
            raise InputError('the margin has values that are not finite')
        now = np.clip(now, -LIMIT, LIMIT)
        average = decided = now
        if self._size != margin.shape:
            self._size = margin.shape
            self._grid = np.dstack(np.meshgrid(*map(np.arange, small))).astype(np.float32)
        else:
            past, decision, same = self._carried(picture)
            weight = same * np.exp(-np.abs(past - now) / DOUBT)
            if weight.mean() > CUT:
                average = now + self.memory * weight * (past - now)
                decided = average + self.hysteresis * same * decision
                # Only the correction is enlarged: contours stay as sharp as in the given margin.
                margin = margin + cv2.resize(decided - now, size, interpolation=cv2.INTER_LINEAR)
        self._past = cv2.merge([average, np.where(decided > 0, np.float32(1), np.float32(-1)), picture.astype(np.float32)])
        self._picture = picture
        return (margin > 0).astype(np.uint8), margin

    def _carried(self, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the past average, its decision (-1 to 1) and how far the picture is the same (0 to 1), by small pixel."""
        cv2 = self._cv2
        x, y = cv2.split(self._flow.calc(picture, self._picture, None) + self._grid)  # where each pixel was in the last picture
        past, decision, before = cv2.split(cv2.remap(self._past, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
        change = cv2.blur(np.abs(picture - before), (5, 5))  # single pixels differ by noise
        same = np.exp(-((change / CHANGE) ** 2))
        right, bottom = self._grid[-1, -1]
        same[(x < 0) | (y < 0) | (x > right) | (y > bottom)] = 0  # came from outside of the last picture
        return past, decision, same

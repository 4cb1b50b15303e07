"""Paint masks over frames."""

from collections.abc import Sequence

import numpy as np

from mmseg_bisenet_lite.deploy.calibration import UNDECIDED

_STRIPE = 4  # pixels


def paint(frame: np.ndarray, mask: np.ndarray, palette: Sequence[tuple[int, int, int]], opacity: float = 0.5) -> np.ndarray:
    """Return a copy of the frame with the foreground tinted, and undecided pixels hatched with the foreground's tint.

    Args:
        frame: (height, width, 3), uint8, BGR.
        mask: (height, width), indices into the palette; 0, the background, is not tinted; 255 is undecided.
        palette: Colours, (red, green, blue).
        opacity: Opacity of the tint, 0 to 1.
    """
    painted = frame.copy()
    for value, colour in list(enumerate(palette))[1:]:
        _tint(painted, mask == value, colour, opacity)
    undecided = mask == UNDECIDED
    if undecided.any():
        rows, columns = np.ogrid[: mask.shape[0], : mask.shape[1]]
        _tint(painted, undecided & ((rows + columns) // _STRIPE % 2 == 0), palette[1], opacity)
    return painted


def _tint(painted: np.ndarray, where: np.ndarray, colour: tuple[int, int, int], opacity: float) -> None:
    painted[where] = (1 - opacity) * painted[where] + opacity * np.array(colour[::-1])

"""Paint masks over frames."""

from collections.abc import Sequence

import numpy as np


def paint(frame: np.ndarray, mask: np.ndarray, palette: Sequence[tuple[int, int, int]], opacity: float = 0.5) -> np.ndarray:
    """Return a copy of the frame with the foreground tinted.

    Args:
        frame: (height, width, 3), uint8, BGR.
        mask: (height, width), indices into the palette; 0, the background, is not tinted.
        palette: Colours, (red, green, blue).
        opacity: Opacity of the tint, 0 to 1.
    """
    painted = frame.copy()
    for value, colour in list(enumerate(palette))[1:]:
        where = mask == value
        painted[where] = (1 - opacity) * frame[where] + opacity * np.array(colour[::-1])
    return painted

"""Read frames from image files."""

from pathlib import Path

import numpy as np

from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.library import require

SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png')


def is_image(file: Path) -> bool:
    """Whether the name of a file ends like that of an image."""
    return file.suffix.lower() in SUFFIXES


def read_image(file: Path) -> np.ndarray:
    """Read an image as (height, width, 3), uint8, BGR.

    Raises:
        InputError: The file is missing, or it is not a readable image.
    """
    cv2 = require('cv2', 'opencv-python-headless')
    if not file.is_file():
        raise InputError(f'{file}: there is no such image')
    frame = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if frame is None:
        raise InputError(f'{file}: not a readable image, or a truncated one')
    return frame

"""Boundary IoU."""

import math

import cv2
import numpy as np

# Share of the image diagonal: the default of Boundary IoU's authors; for Cityscapes they use 0.005.
RATIO = 0.02


def boundary(mask: np.ndarray, ratio: float = RATIO) -> np.ndarray:
    """Return the pixels of a mask that lie near its contour or the image's edge.

    Args:
        mask: ``(H, W)``, bool.
        ratio: Largest distance, as a share of the image diagonal; the distance is at least one pixel.

    Returns:
        ``(H, W)``, bool.

    Source: Cheng et al., Boundary IoU: Improving Object-Centric Image Segmentation Evaluation, CVPR 2021.
    """
    distance = max(1, round(ratio * math.hypot(*mask.shape)))
    padded = np.pad(mask.astype(np.uint8), 1)
    # The chessboard distance gives the result of `distance` erosions by 3x3, in one pass.
    inner = cv2.distanceTransform(padded, cv2.DIST_C, 3)[1:-1, 1:-1] > distance
    return mask & ~inner


def boundary_areas(prediction: np.ndarray, label: np.ndarray, ratio: float = RATIO) -> tuple[int, int]:
    """Count the pixels in the intersection and in the union of two masks' boundaries; their ratio is Boundary IoU."""
    ours, theirs = boundary(prediction, ratio), boundary(label, ratio)
    return int((ours & theirs).sum()), int((ours | theirs).sum())

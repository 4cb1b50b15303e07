"""Connected regions of a mask in COCO's terms."""

from typing import Any

import numpy as np

from mmseg_bisenet_lite.utils.library import require


def regions(mask: np.ndarray) -> list[dict[str, Any]]:
    """Return the connected regions of a mask, pixels that touch at a corner too; largest first.

    COCO has polygons and run lengths. A polygon has no holes and loses half a pixel at its edge; run lengths are exact.

    Args:
        mask: (height, width), bool.

    Returns:
        For each region ``bbox``, [left, top, width, height]; ``area`` in pixels; and ``segmentation``, uncompressed run
        lengths: numbers of pixels outside, inside, outside and so on, down the columns from the left.

    Source: https://cocodataset.org/#format-data
    """
    cv2 = require('cv2', 'opencv-python-headless')
    height, width = mask.shape
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    found = []
    for label in sorted(range(1, count), key=lambda each: -stats[each, cv2.CC_STAT_AREA]):
        x, y, w, h, area = map(int, stats[label])
        columns = np.zeros((w, height), bool)
        columns[:, y : y + h] = (labels[y : y + h, x : x + w] == label).T
        changes = np.flatnonzero(np.diff(columns.ravel(), prepend=False, append=False))
        ends = np.concatenate(([0], changes + x * height, [height * width]))
        counts = np.diff(ends).tolist()
        if counts[-1] == 0:
            counts.pop()
        found.append({'bbox': [x, y, w, h], 'area': area, 'segmentation': {'size': [height, width], 'counts': counts}})
    return found

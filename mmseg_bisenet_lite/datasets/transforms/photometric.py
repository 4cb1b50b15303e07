"""FastPhotoMetricDistortion: MMSegmentation's photometric distortion with look-up tables."""

import cv2
import numpy as np
from mmseg.datasets.transforms import PhotoMetricDistortion
from mmseg.registry import TRANSFORMS

_SAME = np.arange(256, dtype=np.uint8)


@TRANSFORMS.register_module()
class FastPhotoMetricDistortion(PhotoMetricDistortion):
    """``PhotoMetricDistortion`` that uses look-up tables instead of computing the value of every pixel.

    It draws the host's random numbers in the same order, so the same seed gives the same distortion. Brightness and contrast
    are identical to the bit. Saturation and hue are changed in one conversion to HSV and back; the host makes two conversions
    and rounds in between.

    Args:
        brightness_delta: Largest value that is added or subtracted.
        contrast_range: (low, high) of the factor for all channels.
        saturation_range: (low, high) of the factor for the saturation.
        hue_delta: Largest change of the hue; the whole circle is 180.

    Shape:
        - ``img``: (H, W, 3), uint8, BGR.
    """

    def transform(self, results: dict) -> dict:
        """Distort ``img``; an image that is not uint8 is left to the host, since there are no tables for it."""
        if results['img'].dtype != np.uint8:
            return super().transform(results)
        table = self.brightness(_SAME)
        contrast_first = np.random.randint(2)
        if contrast_first:
            table = self.contrast(table)
        img = _look_up(results['img'], table)
        img = self._saturation_and_hue(img)
        if not contrast_first:
            img = _look_up(img, self.contrast(_SAME))
        results['img'] = img
        return results

    def _saturation_and_hue(self, img: np.ndarray) -> np.ndarray:
        saturation = hue = _SAME
        if np.random.randint(2):
            saturation = self.convert(_SAME, alpha=np.random.uniform(self.saturation_lower, self.saturation_upper))
        if np.random.randint(2):
            hue = ((_SAME.astype(int) + np.random.randint(-self.hue_delta, self.hue_delta)) % 180).astype(np.uint8)
        if saturation is _SAME and hue is _SAME:
            return img
        hsv = cv2.cvtColor(img, cv2.COLOR_BGR2HSV)
        return cv2.cvtColor(cv2.LUT(hsv, np.stack([hue, saturation, _SAME], axis=-1)[None]), cv2.COLOR_HSV2BGR)


def _look_up(img: np.ndarray, table: np.ndarray) -> np.ndarray:
    return img if table is _SAME else cv2.LUT(img, table)

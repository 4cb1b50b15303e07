"""RandomResizeCropFlip: draw scale, crop and flip first, then apply them to the pixels of the crop only."""

import math
from collections.abc import Sequence

import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from mmseg_bisenet_lite.utils.classes import are_class_numbers
from mmseg_bisenet_lite.utils.errors import InputError

# Largest shift, in source pixels, of a resized region against its place in the resized whole image; see _axis.
TOLERANCE = 1 / 64


@TRANSFORMS.register_module()
class RandomResizeCropFlip(BaseTransform):
    """MMSegmentation's ``RandomResize`` (or ``RandomChoice`` of ``Resize``), ``RandomCrop`` and ``RandomFlip`` in one, faster.

    It draws the same random numbers in the same order, so the same seed gives the same labels and the same image. Only the
    region of the image that the crop shows is resized; see :func:`resized_window` for the accuracy. The check of
    ``cat_max_ratio`` counts one class instead of sorting all labels.

    Args:
        crop_size: (height, width) of the crop, or one number for both. A smaller image gives a smaller crop.
        scale_factors: Scale factors to draw from, as BiSeNet does.
        scale: (width, height) that a factor from ``ratio_range`` scales; the image is fitted into it with ``keep_ratio=True``.
        ratio_range: (low, high) of that factor.
        cat_max_ratio: Largest share of one class in a crop, 0 to 1; at this share or above, the crop is drawn again, up to ten
            times.
        ignore_index: Label of the pixels that do not count for ``cat_max_ratio``.
        flip_prob: Probability of the horizontal flip.
        foreground_prob: Probability of placing the crop anew, so that it shows a pixel of the foreground, drawn from all such
            pixels of the photograph, if there are any. Without it, a network rarely sees a rare class.
        foreground: Groups of classes that are foreground. With several, a group that the photograph has is drawn first; one
            that is given twice is drawn twice as often.

    Shape:
        - ``img``: (H, W, 3), uint8.
        - ``gt_seg_map``: (H, W), uint8.

    Raises:
        InputError: An argument is out of range, or both kinds of scales are given, or none.
    """

    def __init__(
        self,
        crop_size: int | Sequence[int],
        scale_factors: Sequence[float] | None = None,
        scale: Sequence[int] | None = None,
        ratio_range: Sequence[float] | None = None,
        cat_max_ratio: float = 1.0,
        ignore_index: int = 255,
        flip_prob: float = 0.5,
        foreground_prob: float = 0.0,
        foreground: Sequence[Sequence[int]] = ((1,),),
    ) -> None:
        self.crop_size = _pair('crop_size', (crop_size, crop_size) if isinstance(crop_size, int) else crop_size)
        self.scale_factors = () if scale_factors is None else tuple(map(float, scale_factors))
        self.scale = None if scale is None else _pair('scale', scale)
        self.ratio_range = None if ratio_range is None else _pair('ratio_range', ratio_range)
        self.cat_max_ratio = cat_max_ratio
        self.ignore_index = ignore_index
        self.flip_prob = flip_prob
        self.foreground_prob = foreground_prob
        listed = isinstance(foreground, list | tuple) and len(foreground) > 0
        ignored = ignore_index if foreground_prob else 255  # without it the default is not used
        if not listed or not all(are_class_numbers(group, ignored) for group in foreground):
            raise InputError(
                f'foreground={foreground!r}: give groups of classes by number, such as ((8,), (9, 10)), without {ignored}'
            )
        self.foreground = tuple(map(tuple, foreground))
        if (scale is None) != (ratio_range is None) or (scale is None) == (scale_factors is None):
            raise InputError('RandomResizeCropFlip: give either scale_factors, or scale and ratio_range')
        if scale_factors is not None and not (self.scale_factors and min(self.scale_factors) > 0):
            raise InputError(f'scale_factors={scale_factors!r}: give some factors, each above 0')
        if self.ratio_range is not None and self.ratio_range[0] > self.ratio_range[1]:
            raise InputError(f'ratio_range={ratio_range!r}: give the lower factor first')
        for name in ('cat_max_ratio', 'flip_prob', 'foreground_prob'):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise InputError(f'{name}={value!r}: give a number from 0 to 1')
        self._common = int(ignore_index == 0)  # class that ruled out the last crop; it is counted first the next time

    def transform(self, results: dict) -> dict:
        """Replace ``img`` and the label maps in ``seg_fields`` by the crop."""
        image = results['img']
        height, width = image.shape[:2]
        size = self._draw_size(width, height)
        labels = {key: _resized_labels(results[key], size) for key in results.get('seg_fields', ())}
        window = self._draw_window(size, labels.get('gt_seg_map'))
        flip = bool(np.random.random_sample() < self.flip_prob)
        crop = resized_window(image, size, window)
        left, top, right, bottom = window
        for key, label in labels.items():
            part = label[top:bottom, left:right]
            results[key] = cv2.flip(part, 1) if flip else part
        results['img'] = cv2.flip(crop, 1) if flip else np.ascontiguousarray(crop)
        results['img_shape'] = crop.shape[:2]
        results['scale'] = size
        results['scale_factor'] = (size[0] / width, size[1] / height)
        results['keep_ratio'] = True
        results['flip'] = flip
        results['flip_direction'] = 'horizontal' if flip else None
        return results

    def _draw_size(self, width: int, height: int) -> tuple[int, int]:
        """Draw the (width, height) of the scaled image."""
        if self.scale is not None and self.ratio_range is not None:
            low, high = self.ratio_range
            ratio = np.random.random_sample() * (high - low) + low
            return mmcv.rescale_size((width, height), tuple(int(side * ratio) for side in self.scale))
        factor = self.scale_factors[np.random.randint(len(self.scale_factors))]
        return mmcv.rescale_size((width, height), mmcv.rescale_size((width, height), factor))

    def _draw_window(self, size: tuple[int, int], label: np.ndarray | None) -> tuple[int, int, int, int]:
        """Draw the (left, top, right, bottom) of the crop in the scaled image."""
        window = self._draw_place(size)
        if self.cat_max_ratio < 1 and label is not None:
            for _ in range(10):
                left, top, right, bottom = window
                if self._is_balanced(label[top:bottom, left:right]):
                    break
                window = self._draw_place(size)
        if self.foreground_prob and label is not None and np.random.random_sample() < self.foreground_prob:
            return self._draw_place_on_foreground(label, size) or window
        return window

    def _draw_place_on_foreground(self, label: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
        """Draw a window that shows a foreground pixel, each of a group with the same probability; ``None`` if there is none."""
        # A comparison for each class is several times as fast as np.isin.
        masks = {group: np.logical_or.reduce([label == each for each in group]) for group in self.foreground}
        found = {group: places for group, mask in masks.items() if len(places := np.flatnonzero(mask))}
        groups = [group for group in self.foreground if group in found]
        if not groups:
            return None
        places = found[groups[np.random.randint(len(groups)) if len(groups) > 1 else 0]]
        y, x = divmod(int(places[np.random.randint(len(places))]), label.shape[1])
        (width, height), (crop_height, crop_width) = size, self.crop_size
        top = np.random.randint(max(y - crop_height + 1, 0), max(min(y, height - crop_height), 0) + 1)
        left = np.random.randint(max(x - crop_width + 1, 0), max(min(x, width - crop_width), 0) + 1)
        return left, top, min(left + crop_width, width), min(top + crop_height, height)

    def _draw_place(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        (width, height), (crop_height, crop_width) = size, self.crop_size
        top = np.random.randint(max(height - crop_height, 0) + 1)
        left = np.random.randint(max(width - crop_width, 0) + 1)
        return left, top, min(left + crop_width, width), min(top + crop_height, height)

    def _is_balanced(self, label: np.ndarray) -> bool:
        """Whether every class has a share below ``cat_max_ratio`` of the pixels that are not ignored."""
        valid = label.size - _count(label, self.ignore_index)
        if not valid:
            return False
        share = _count(label, self._common) / valid
        if share >= self.cat_max_ratio:
            return False
        if share > 1 - self.cat_max_ratio:  # so no other class reaches cat_max_ratio
            return True
        if label.dtype == np.uint8:
            counts = cv2.calcHist([label], [0], None, [256], [0, 256]).ravel()  # OpenCV versions return one axis or two
            values = np.arange(256)
        else:
            values, counts = np.unique(label, return_counts=True)
        counts = np.where(values == self.ignore_index, 0, counts)
        self._common = int(values[counts.argmax()])
        return bool(counts.max() / valid < self.cat_max_ratio)


def _count(label: np.ndarray, value: int) -> int:
    return int(np.count_nonzero(label == value))


def _resized_labels(label: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize the whole label map, as the host does: this is faster than finding the part that is needed."""
    if label.shape[1::-1] == size:
        return label
    return cv2.resize(label, size, interpolation=cv2.INTER_NEAREST)


def resized_window(image: np.ndarray, size: tuple[int, int], window: tuple[int, int, int, int]) -> np.ndarray:
    """Return a window of ``cv2.resize(image, size)`` (bilinear), without resizing the rest.

    Args:
        image: (height, width, channels), uint8.
        size: (width, height) of the whole resized image.
        window: (left, top, right, bottom) in the resized image.

    Returns:
        (bottom - top, right - left, channels), a view. With factors such as 0.75 it equals the window of the whole resized
        image, except for the rounding of a few pixels; in general it is shifted by up to ``TOLERANCE`` source pixels.
    """
    left, top, right, bottom = window
    height, width = image.shape[:2]
    if (width, height) == size:
        return image[top:bottom, left:right]
    source_x, skip_x = _axis(left, right, width, size[0])
    source_y, skip_y = _axis(top, bottom, height, size[1])
    # Give OpenCV the factors and no size; otherwise it would use the ratio of two rounded sizes.
    region = image[source_y, source_x]
    part = cv2.resize(region, None, fx=size[0] / width, fy=size[1] / height)
    if part.shape == region.shape:  # OpenCV has only copied the region, which happens for windows of a few pixels
        part, skip_x, skip_y = cv2.resize(image, size), left, top
    return part[skip_y : skip_y + bottom - top, skip_x : skip_x + right - left]


def _axis(start: int, stop: int, source: int, target: int) -> tuple[slice, int]:
    """Return, for one axis, the source pixels to resize and the number of resulting pixels before ``start``.

    The pixel ``t`` of the whole result lies at ``(t + 0.5) * step - 0.5`` in the source. Resizing from the source pixel ``s``
    on gives the same pixels if ``s == b * step`` for some result pixel ``b``. The last ``b`` that is near enough is used, at
    worst 0. On average this makes the region less than 40 pixels longer (from 2048 pixels to 1024 ... 4096).
    """
    step = source / target
    inside = max(math.ceil(0.5 / step - 0.5), 0)  # number of result pixels that would need source pixels before the region
    places = np.arange(max(start - inside, 0), -1, -1) * step
    begin = len(places) - 1 - int((np.abs(places - np.round(places)) <= TOLERANCE).argmax())
    first = round(begin * step)
    end = min(math.floor((stop - 0.5) * step - 0.5) + 2, source)
    while end < source and round((end - first) / step) < stop - begin:
        end += 1
    return slice(first, end), start - begin


def _pair(name: str, value: Sequence) -> tuple:
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2 or not all(side > 0 for side in value):
        raise InputError(f'{name}={value!r}: give two numbers above 0')
    return tuple(value)

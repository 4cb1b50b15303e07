"""Flicker of the masks of a video: ``python -m mmseg_bisenet_lite.evaluation.flicker MASKS --frames VIDEO``."""

import argparse
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmseg_bisenet_lite.utils.arguments import path
from mmseg_bisenet_lite.utils.console import one_line_errors
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import images_in, read_image
from mmseg_bisenet_lite.utils.sizes import size_text

MOST_CHANGE = 20  # of 255: beyond it a pixel is not taken for the one that the flow says it was


def flicker(masks: Iterable[np.ndarray], within: int = 1) -> float:
    """Return the share of pixels, per frame, whose decision changes back after it changed.

    It needs no optical flow and no labels. What moves over a pixel for longer than ``within`` frames does not count, what is
    there for a shorter time does, such as the gap between two fingers.

    Args:
        masks: Masks of consecutive frames, each (height, width), 0 or 1 or bool, at least 3.
        within: Largest number of frames for which the decision was another one: with 1 only one frame differs from both of its
            neighbours.

    Returns:
        0 to 1: pixels that changed back, over all pixels of the frames in which they could.

    Raises:
        InputError: There are fewer than 3 masks, or their sizes differ.

    Source: the condition is that of One-Frame Delay (Ke et al., MODNet, AAAI 2022, section 4.3), which takes a pixel for
    flickering if the frames before and after it agree with each other and not with it; here it is counted.
    """
    last = age = None
    back = frames = 0
    for mask in masks:
        decision = np.asarray(mask) > 0
        if last is None or age is None:
            last, age = decision, np.full(decision.shape, within + 1)  # how long a pixel had its decision before is not known
            continue
        _same_size(decision, last)
        changed = decision != last
        back += int((changed & (age <= within)).sum())
        age = np.where(changed, 1, age + 1)
        last = decision
        frames += 1
    if last is None or frames < 2:
        raise InputError('flicker needs the masks of at least 3 consecutive frames')
    return back / (last.size * (frames - 1))


def motion_flicker(masks: Iterable[np.ndarray], frames: Iterable[np.ndarray]) -> float:
    """Return the share of pixels, per frame, whose decision is neither the last nor the next one there, moved by the flow.

    It is :func:`flicker` on what the picture shows in place of where it shows it: the gap between two fingers, or a hole in the
    mask that a car takes along, does not count. Pixels that are not seen in all three frames never count.

    Args:
        masks: Masks of consecutive frames, each (height, width), 0 or 1 or bool, at least 3.
        frames: The frames, each (height, width, 3), uint8, BGR, as many as masks.

    Returns:
        0 to 1: pixels that differ from both, over all pixels of the frames that have two neighbours.

    Raises:
        InputError: There are fewer than 3 masks, another number of frames, or their sizes differ.

    Source: the condition of One-Frame Delay, as in :func:`flicker`, with the neighbours moved as in :func:`warped_iou`.
    """
    before: tuple[np.ndarray, np.ndarray] | None = None
    differs = np.empty(0)  # where the last mask differs from the one before it
    back = size = count = 0
    for decision, picture in _pairs(masks, frames):
        if before is not None:
            _same_size(decision, before[0])
            if count > 1:
                following, seen = _moved(decision, picture, before[1])
                back += int((differs & seen & (following != before[0])).sum())
            earlier, seen = _moved(*before, picture)
            differs = seen & (earlier != decision)
        before, size, count = (decision, picture), decision.size, count + 1
    if count < 3:
        raise InputError('flicker needs the masks of at least 3 consecutive frames')
    return back / (size * (count - 2))


def warped_iou(masks: Iterable[np.ndarray], frames: Iterable[np.ndarray]) -> float:
    """Return the foreground IoU of each mask with the last one, moved by the optical flow: 1 is perfectly consistent.

    The flow is DIS (Kroeger et al., ECCV 2016) of the full frames in the preset ``MEDIUM``. Pixels that come from outside of
    the last frame, or whose picture differs by more than ``MOST_CHANGE`` from where they come from, are left out: they were
    hidden, or the flow is wrong there.

    Args:
        masks: Masks of consecutive frames, each (height, width), 0 or 1 or bool, at least 2.
        frames: The frames, each (height, width, 3), uint8, BGR, as many as masks.

    Returns:
        Pixels that are foreground in both, over pixels that are foreground in either, summed over all frames; NaN without any.

    Raises:
        InputError: There are fewer than 2 masks, another number of frames, or their sizes differ.

    Source: temporal consistency of Liu et al., Efficient Semantic Video Segmentation with Per-frame Inference, ECCV 2020,
    section 4.2; there with FlowNet2 and as the mean over classes.
    """
    before: tuple[np.ndarray, np.ndarray] | None = None
    both = either = count = 0
    for decision, picture in _pairs(masks, frames):
        if before is not None:
            _same_size(decision, before[0])
            moved, seen = _moved(*before, picture)
            both += int((seen & (moved & decision > 0)).sum())
            either += int((seen & (moved | decision > 0)).sum())
        before, count = (decision, picture), count + 1
    if count < 2:
        raise InputError('consistency needs the masks of at least 2 consecutive frames')
    return both / either if either else float('nan')


def _pairs(masks: Iterable[np.ndarray], frames: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield each decision, 0 or 1, with its grey picture; raise an error if there are more of one than of the other."""
    for count, (mask, frame) in enumerate(zip_longest(masks, frames)):
        if mask is None or frame is None:
            raise InputError(
                f'after {count} frames there are no more {"masks" if mask is None else "frames"}: give as many of both'
            )
        decision, picture = (np.asarray(mask) > 0).astype(np.uint8), cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        _same_size(decision, picture)
        yield decision, picture


def _moved(decision: np.ndarray, picture: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the decision of one picture, moved to another one by optical flow, and where the flow can be believed."""
    engine: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    height, width = target.shape
    grid = np.dstack(np.meshgrid(np.arange(width), np.arange(height))).astype(np.float32)
    origin = engine.calc(target, picture, None) + grid  # where each pixel of the target is in the picture
    x, y = origin[..., 0], origin[..., 1]
    seen = cv2.absdiff(cv2.remap(picture, x, y, cv2.INTER_LINEAR), target) <= MOST_CHANGE
    seen &= ((origin >= 0) & (origin <= grid[-1, -1])).all(axis=-1)
    return cv2.remap(decision, x, y, cv2.INTER_NEAREST), seen


def read_masks(folder: Path) -> Iterator[np.ndarray]:
    """Yield the masks of a folder, images of 0/1 or 0/255, in the order of their names.

    Raises:
        InputError: The folder has no images, or one cannot be read or has other values.
    """
    if not folder.is_dir():
        raise InputError(f'{folder}: is not a folder of masks; write one with bisenet-lite predict --save mask')
    files, _ = images_in(sorted(folder.iterdir()))
    if not files:
        raise InputError(f'{folder}: has no masks; give the folder of one video, such as mask/NAME')
    values: set[int] = set()  # of the foreground
    for file in files:
        mask = read_image(file)[..., 0]
        values |= {*np.unique(mask).tolist()} - {0}
        if len(values) > 1 or values - {1, 255}:
            told = ', '.join(map(str, sorted(values)))
            raise InputError(f'{file}: masks have 0 and 1, or 0 and 255, not {told}; with --abstain pixels are undecided')
        yield mask


def read_frames(source: Path, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Yield the frames of a video, or of a folder of images, scaled to (width, height).

    Raises:
        InputError: It cannot be read.
    """
    for frame in map(read_image, images_in(sorted(source.iterdir()))[0]) if source.is_dir() else _video(source):
        yield cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


def _video(file: Path) -> Iterator[np.ndarray]:
    video = cv2.VideoCapture(str(file.absolute()))  # FFmpeg takes what is before a colon for a protocol, if no / is before it
    if not video.isOpened():
        raise InputError(f'{file}: cannot be read as a video')
    while (read := video.read())[0]:
        yield read[1]


def _same_size(one: np.ndarray, other: np.ndarray) -> None:
    """Raise an error unless two masks, or a mask and its frame, have one size."""
    if one.shape != other.shape:
        raise InputError(f'a mask of {size_text(one.shape[::-1])} follows or belongs to {size_text(other.shape[::-1])}')


def main() -> None:
    """Print the flicker of a folder of masks."""
    parser = argparse.ArgumentParser(description='Measure the flicker of the masks of a video.')
    parser.add_argument('masks', type=path, metavar='MASKS', help='folder of mask images; their order is that of their names')
    parser.add_argument(
        '--frames',
        type=path,
        metavar='SOURCE',
        help='the video, or a folder of the frames, as many as masks: adds the flicker, and the IoU with the last mask, '
        'along the motion, by optical flow',
    )
    args = parser.parse_args()
    with one_line_errors():
        for within, what in ((1, '1 frame'), (3, '3 frames')):
            print(f'changes back after at most {what}: {1e6 * flicker(read_masks(args.masks), within):.0f} of a million pixels')
        if args.frames:
            size = next(read_masks(args.masks)).shape[1::-1]
            along = motion_flicker(read_masks(args.masks), read_frames(args.frames, size))
            print(f'differs from the last and the next frame along the motion: {1e6 * along:.0f} of a million pixels')
            consistency = warped_iou(read_masks(args.masks), read_frames(args.frames, size))
            print(f'foreground IoU with the last mask, moved by the optical flow: {100 * consistency:.2f} %')


if __name__ == '__main__':
    main()

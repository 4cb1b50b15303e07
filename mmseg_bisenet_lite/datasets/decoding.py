"""The pixels of image files: as MMCV decodes them, by a faster decoder where that gives the same."""

import functools
import importlib
import struct
import zlib
from typing import Any

import cv2
import mmcv
import numpy as np

# The signature, and the first chunk: width, height, bit depth, colour type, and its checksum. Source: the PNG specification.
_HEADER = struct.Struct('>8s4x4sIIBB3xI')
_CHECKED = slice(12, 29)  # what the checksum is of
_MOST_PIXELS = 2**30  # OpenCV's limit
_GREY, _RGB = 0, 2


@functools.cache
def fast_decoder() -> Any:
    """kornia-rs, which decodes photographs twice as fast as OpenCV's libpng and label maps four times; else ``None``."""
    try:
        return importlib.import_module('kornia_rs.io')
    except ImportError:
        return None


def decode(data: bytes, flag: str = 'color', backend: str = 'cv2') -> np.ndarray | None:
    """The pixels of an image file, as ``mmcv.imfrombytes`` gives them.

    Args:
        data: The file's content.
        flag: MMCV's: ``'color'`` is (height, width, 3), BGR; ``'unchanged'`` leaves one channel as (height, width).
        backend: MMCV's, for all that the fast decoder does not do.

    Returns:
        The pixels; ``None``, or MMCV's errors, where the content is no image.
    """
    pixels = None if fast_decoder() is None else _decode_png(data, flag)
    return mmcv.imfrombytes(data, flag=flag, backend=backend) if pixels is None else pixels


def _decode_png(data: bytes, flag: str) -> np.ndarray | None:
    """The pixels of a plain PNG of 8 bits, RGB or grey as the flag expects it; ``None`` for all else, broken files too."""
    if len(data) < _HEADER.size:
        return None
    signature, chunk, width, height, depth, colour, checksum = _HEADER.unpack_from(data)
    if signature != b'\x89PNG\r\n\x1a\n' or chunk != b'IHDR' or depth != 8 or (flag, colour) not in _MODES:
        return None
    if zlib.crc32(data[_CHECKED]) != checksum or width * height > _MOST_PIXELS:  # before so much memory is asked for
        return None
    before_pixels = data[: data.find(b'IDAT')]
    if b'eXIf' in before_pixels or b'tRNS' in before_pixels:  # OpenCV may rotate by the one, Pillow may heed the other
        return None
    try:
        pixels = fast_decoder().decode_image_png_u8(data, (height, width), _MODES[flag, colour])
    except Exception:  # its only type of error; MMCV's decoder has the word on what is broken
        return None
    if colour == _GREY:
        return pixels[..., 0]
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR, dst=pixels)


_MODES = {('color', _RGB): 'rgb', ('unchanged', _GREY): 'mono'}

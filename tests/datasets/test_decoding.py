import io

import cv2
import mmcv
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmseg_bisenet_lite.datasets import decoding
from mmseg_bisenet_lite.datasets.decoding import decode, has_fast_decoder


def encoded(image, kind='PNG', **options):
    content = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(content, kind, **options)
    return content.getvalue()


def noise(*shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def palette(values):
    image = Image.fromarray(values, 'P')
    image.putpalette(bytes(range(255, -1, -1)) * 3)
    return image


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), colour=st.booleans(), level=st.integers(0, 9))
def test_the_pixels_are_mmcvs(height, width, colour, level):
    data = encoded(noise(height, width, *([3] if colour else [])), compress_level=level)
    flag, backend = ('color', 'cv2') if colour else ('unchanged', 'pillow')
    assert decoding._decode_png(data, flag) is not None
    pixels = decode(data, flag, backend)
    assert np.array_equal(pixels, mmcv.imfrombytes(data, flag=flag, backend=backend))
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable


@pytest.mark.parametrize(
    ('data', 'flag'),
    [
        (encoded(noise(8, 9)), 'color'),
        (encoded(noise(8, 9, 4)), 'color'),
        (encoded(noise(8, 9, 3)), 'unchanged'),
        (encoded(noise(8, 9, dtype=np.uint16)), 'unchanged'),
        (encoded(palette(noise(8, 9))), 'unchanged'),
        (encoded(Image.fromarray(noise(8, 9) > 99)), 'unchanged'),
        (encoded(noise(8, 9, 3), transparency=(1, 2, 3)), 'color'),
        (encoded(noise(8, 9), transparency=7), 'unchanged'),
        (
            encoded(noise(8, 9, 3), exif=b'MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0'),
            'color',
        ),  # on its head
        (encoded(noise(8, 9, 3), 'JPEG'), 'color'),
        (encoded(noise(8, 9, 3), 'BMP'), 'color'),
    ],
)
def test_what_is_no_plain_png_is_left_to_mmcv(data, flag):
    assert decoding._decode_png(data, flag) is None
    for backend in ('cv2', 'pillow'):
        expected = mmcv.imfrombytes(data, flag=flag, backend=backend)
        assert np.array_equal(decode(data, flag, backend), expected)


@pytest.mark.parametrize('cut', [0, 1, 20, 40, 100, -20])
def test_broken_files_do_not_decode(cut):
    data = encoded(noise(16, 16, 3))[:cut]
    assert decoding._decode_png(data, 'color') is None
    try:
        assert decode(data) is None
    except cv2.error:
        assert not data


def test_a_flipped_bit_is_found():
    data = bytearray(encoded(noise(16, 16, 3)))
    data[300] ^= 1
    assert decoding._decode_png(bytes(data), 'color') is None


def test_it_does_without_the_fast_decoder(monkeypatch):
    assert has_fast_decoder()
    data = encoded(noise(8, 9, 3))
    fast = decode(data)
    monkeypatch.setattr(decoding, 'has_fast_decoder', lambda: False)
    monkeypatch.setattr(decoding, '_decode_png', None)
    assert np.array_equal(decode(data), fast)

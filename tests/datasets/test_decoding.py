import io
import sys
import zlib

import cv2
import mmcv
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmseg_bisenet_lite.datasets import decoding
from mmseg_bisenet_lite.datasets.decoding import decode, fast_decoder
from mmseg_bisenet_lite.utils.errors import InputError


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


@settings(max_examples=30)
@given(height=st.integers(1, 40), width=st.integers(1, 40), colour=st.booleans(), level=st.integers(0, 9))
def test_the_pixels_are_mmcvs(height, width, colour, level):
    data = encoded(noise(height, width, *([3] if colour else [])), compress_level=level)
    flag, backend = ('color', 'cv2') if colour else ('unchanged', 'pillow')
    assert decoding._decode_png(data, flag) is not None
    pixels = decode(data, 'a.png', flag, backend)
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
        (encoded(noise(8, 9, 3), 'JPEG'), 'color'),
        (encoded(noise(8, 9, 3), 'BMP'), 'color'),
    ],
)
def test_what_is_no_plain_png_is_left_to_mmcv(data, flag):
    assert decoding._decode_png(data, flag) is None
    for backend in ('cv2', 'pillow'):
        expected = mmcv.imfrombytes(data, flag=flag, backend=backend)
        assert np.array_equal(decode(data, 'a.png', flag, backend), expected)


@pytest.mark.parametrize(
    ('data', 'backend'),
    [(cv2.imencode('.ras', noise(64, 64, 3))[1].tobytes(), 'cv2'), (encoded(noise(64, 64, 3), 'JPEG2000'), 'pillow')],
)
def test_other_formats_are_left_to_mmcv(data, backend):
    assert np.array_equal(decode(data, 'a', backend=backend), mmcv.imfrombytes(data, backend=backend))
    with pytest.raises(InputError, match=r'^a: not a readable image, or a damaged one'):
        decode(data[:20], 'a', backend=backend)


@pytest.mark.parametrize('cut', [0, 1, 20, 40, 100, -20])
def test_broken_files_do_not_decode(cut):
    data = encoded(noise(16, 16, 3))[:cut]
    assert decoding._decode_png(data, 'color') is None
    with pytest.raises(InputError, match=r'^a\.png: (not a readable image|this file is empty)'):
        decode(data, 'a.png')


@pytest.mark.parametrize('place', [16, 17, 20, 23, 24, 28, 30, 300])  # width, height, kinds, checksum, pixels
@pytest.mark.parametrize('bit', [1, 128])
def test_a_flipped_bit_is_found(place, bit):
    data = bytearray(encoded(noise(16, 16, 3)))
    data[place] ^= bit
    assert decoding._decode_png(bytes(data), 'color') is None


def test_a_photograph_of_too_many_pixels_is_refused_before_memory_is_taken():
    header = b'IHDR' + (2**16).to_bytes(4, 'big') * 2 + bytes([8, 2, 0, 0, 0])
    end = bytes(4) + b'IEND' + bytes(4)
    data = b'\x89PNG\r\n\x1a\n' + (13).to_bytes(4, 'big') + header + zlib.crc32(header).to_bytes(4, 'big') + end
    with pytest.raises(InputError, match=r'a\.png: 65536x65536 pixels are more than 268435456'):
        decode(data, 'a.png')


@pytest.mark.parametrize('orientation', range(1, 9))
def test_label_maps_are_turned_like_their_photographs(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    label = noise(6, 9)
    turned = decode(encoded(label, exif=exif), 'a.png', 'unchanged', 'pillow')
    photograph = decode(encoded(np.repeat(label[..., None], 3, axis=2), exif=exif), 'a.png')
    assert np.array_equal(turned, photograph[..., 0])
    assert (turned.shape == (9, 6)) == (orientation > 4)


def test_the_orientation_counts_wherever_it_lies_in_a_png():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(noise(6, 9, 3), exif=exif)
    start, pixels, end = (data.index(name) - 4 for name in (b'eXIf', b'IDAT', b'IEND'))
    moved = data[:start] + data[pixels:end] + data[start:pixels] + data[end:]
    assert np.array_equal(decode(moved, 'a.png'), decode(data, 'a.png'))


def test_it_does_without_the_fast_decoder(monkeypatch):
    assert fast_decoder() is not None
    data = encoded(noise(8, 9, 3))
    fast = decode(data, 'a.png')
    fast_decoder.cache_clear()
    monkeypatch.setitem(sys.modules, 'kornia_rs.io', None)  # missing, or older
    monkeypatch.setattr(decoding, '_decode_png', None)
    assert np.array_equal(decode(data, 'a.png'), fast)
    fast_decoder.cache_clear()

import struct

import cv2
import numpy as np
import pytest

from mmseg_bisenet_lite.deploy.predict.outputs import read_map
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import read_image, write_image
from mmseg_bisenet_lite.utils.png_texts import texts_of

TINY = np.float32(np.finfo(np.float32).tiny)


@pytest.fixture
def write_map(open_outputs, source, result_of, tmp_path):
    def write(kind, values):
        images = source()
        field = {'margin': 'margin', 'confidence': 'probability'}[kind]
        outputs = open_outputs([kind], images)
        outputs.write(result_of(images, mask=(values > 0).astype(np.uint8), **{field: values}))
        return tmp_path / f'out/{kind}/image-0.png'

    return write


def test_margins_come_back_within_half_a_step_and_on_their_side_of_0(write_map):
    generator = np.random.default_rng(0)
    margin = (generator.standard_normal((60, 80)) * 10 ** generator.uniform(-6, 1.3, (60, 80))).astype(np.float32)
    margin[0, :7] = 0, -0.0, TINY, -TINY, 1 / 512, -1 / 512, 63.9
    read = read_map(write_map('margin', margin))
    assert read.dtype == np.float32
    assert np.abs(read - margin).max() <= 1 / 1024
    assert np.array_equal(read > 0, margin > 0)


def test_margins_end_at_64(write_map):
    margin = np.array([[-1e4, -64, 64, 1e4, np.inf, -np.inf]], np.float32)
    assert np.allclose(read_map(write_map('margin', margin)), [[-64, -64, 64, 64, 64, -64]], atol=1 / 512)


def test_probabilities_come_back_within_half_a_step(write_map):
    probability = np.linspace(0, 1, 4096, dtype=np.float32).reshape(64, 64)
    read = read_map(write_map('confidence', probability))
    assert np.abs(read - probability).max() <= 0.5 / 65535 + 1e-7
    assert (read[0, 0], read[-1, -1]) == (0, 1)


def test_the_formula_of_the_page_holds_for_other_readers(write_map):
    margin = np.array([[-3.25, 0.5]], np.float32)
    file = write_map('margin', margin)
    texts = texts_of(file.read_bytes())
    values = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    assert values.dtype == np.uint16
    assert np.allclose((values - float(texts['offset'])) * float(texts['scale']), margin, atol=1 / 1024)
    read_image(file)  # its structure is whole


def test_another_picture_is_no_map(tmp_path):
    write_image(tmp_path / 'a.png', np.zeros((4, 4), np.uint16))
    with pytest.raises(InputError, match=r'a\.png: not a PNG with margins or probabilities'):
        read_map(tmp_path / 'a.png')
    write_image(tmp_path / 'a.png', np.zeros((4, 4, 3), np.uint8), texts={'scale': '1', 'offset': '0'})
    with pytest.raises(InputError, match=r'a\.png: not a PNG of 16-bit grey'):
        read_map(tmp_path / 'a.png')
    write_image(tmp_path / 'a.png', np.zeros((4, 4), np.uint16), texts={'scale': 'x', 'offset': '0'})
    with pytest.raises(InputError, match=r'a\.png: its scale or offset is no number'):
        read_map(tmp_path / 'a.png')
    with pytest.raises(InputError, match=r'b\.png: cannot be read'):
        read_map(tmp_path / 'b.png')
    (tmp_path / 'a.png').write_bytes(b'\x89PNG\r\n\x1a\n' + struct.pack('>I4s', 9, b'tEXt') + b'scale\0')
    with pytest.raises(InputError, match=r'a\.png: not a PNG with margins'):
        read_map(tmp_path / 'a.png')

import io

import cv2
import numpy as np
from PIL import Image

from mmseg_bisenet_lite.utils.png_texts import texts_of, with_texts

PIXELS = np.arange(96, dtype=np.uint16).reshape(8, 12)
PNG = cv2.imencode('.png', PIXELS)[1].tobytes()


def test_pillow_reads_the_texts_and_the_pixels():
    image = Image.open(io.BytesIO(with_texts(PNG, {'scale': '0.001', 'Autor': 'Müller'})))
    assert image.text == {'scale': '0.001', 'Autor': 'Müller'}
    assert np.array_equal(np.asarray(image), PIXELS)


def test_texts_that_pillow_wrote_are_read():
    from PIL.PngImagePlugin import PngInfo

    texts, written = PngInfo(), io.BytesIO()
    texts.add_text('scale', '0.5')
    Image.fromarray(PIXELS).save(written, 'PNG', pnginfo=texts)
    assert texts_of(written.getvalue()) == {'scale': '0.5'}


def test_what_is_no_png_or_cut_off_has_no_texts():
    whole = with_texts(PNG, {'scale': '1'})
    assert texts_of(b'') == texts_of(b'\xff\xd8\xff') == texts_of(PNG) == {}
    for length in range(len(whole)):
        assert texts_of(whole[:length]) in ({}, {'scale': '1'})

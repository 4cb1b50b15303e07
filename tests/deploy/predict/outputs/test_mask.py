import cv2
import numpy as np
import pytest

from mmseg_bisenet_lite.utils.errors import InputError

MASK = np.array([[0, 1, 255], [1, 0, 255]], np.uint8)


@pytest.mark.parametrize(
    ('values', 'written'), [('0/1', [[0, 1, 255], [1, 0, 255]]), ('0/255', [[0, 255, 128], [255, 0, 128]])]
)
def test_a_mask_has_the_values_that_were_asked_for(open_outputs, source, result_of, tmp_path, values, written):
    images = source()
    open_outputs(['mask'], images, mask_values=values).write(result_of(images, name='street/a', mask=MASK))
    mask = cv2.imread(str(tmp_path / 'out/mask/street/a.png'), cv2.IMREAD_UNCHANGED)
    assert mask.dtype == np.uint8
    assert mask.tolist() == written


def test_other_values_are_refused(open_outputs, source):
    with pytest.raises(InputError, match='mask values 0/2: give 0/1 or 0/255'):
        open_outputs(['mask'], source(), mask_values='0/2')

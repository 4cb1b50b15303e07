import numpy as np

from mmseg_bisenet_lite.utils.images import read_image


def test_an_overlay_is_a_jpeg_of_the_painted_frame(open_outputs, source, result_of, tmp_path):
    images = source()
    open_outputs(['overlay'], images).write(result_of(images, name='street/a'))
    painted = read_image(tmp_path / 'out/overlay/street/a.jpg').astype(int)  # at the edge JPEG mixes colours
    assert np.abs(painted[:, 18:] - 100).max() <= 8
    assert np.abs(painted[:, :14] - (150, 50, 50)).max() <= 8  # half of the frame, half of the blue

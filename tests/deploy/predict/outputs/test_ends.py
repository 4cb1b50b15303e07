"""How many frames videos have, by those who read them to the end."""

import os

import pytest

from mmseg_bisenet_lite.deploy.predict.sources import Images


@pytest.mark.parametrize('part', [None, '1of2'])
def test_the_number_that_was_counted_is_known_to_later_runs(open_outputs, source, tmp_path, part):
    (tmp_path / 'clip.mkv').touch()
    video = source('clip.mkv', 'clip', files=[tmp_path / 'clip.mkv'])
    other = source('b.mkv', 'b', files=[tmp_path / 'b.mkv'])
    video.count = 101
    with open_outputs(['video'], video, other, part=part) as outputs:
        assert outputs.length(video) == 101
        outputs.end(video, 100)
    for later in (None, '2of2'):
        outputs = open_outputs(['video'], video, other, part=later)
        assert (outputs.length(video), outputs.length(other)) == (100, None)
    os.utime(tmp_path / 'clip.mkv', (10, 10))  # another video by now
    assert open_outputs(['video'], video).length(video) == 101


def test_a_camera_has_no_number(open_outputs, source):
    camera = source('0', 'camera-0', live=True)
    assert open_outputs(['video'], camera).length(camera) is None


def test_of_images_the_number_is_certain(open_outputs, tmp_path):
    for name in '01':
        (tmp_path / f'{name}.png').touch()
    first, both = (
        Images([tmp_path / f'{n}.png' for n in range(count)], lambda file: file.stem, '%d.png', True) for count in (1, 2)
    )
    with open_outputs(['mask'], first) as outputs:
        outputs.end(first, 1)
    assert open_outputs(['mask'], both).length(both) == 2

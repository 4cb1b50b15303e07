import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import read_image, write_image

ALL = ['mask', 'overlay', 'margin', 'confidence', 'contours']


@pytest.fixture
def complete(result_of):
    def make(source, number=0, **options):
        numbers = np.full((24, 32), 0.25, np.float32)
        return result_of(source, number, margin=numbers, probability=numbers, **options)

    return make


def test_a_frame_is_done_once_all_of_it_exists(open_outputs, source, complete, tmp_path, listed):
    images = source()
    with open_outputs(ALL, images) as outputs:
        outputs.write(complete(images, name='street/a'))
    files = ['.contours.jsonl', 'contours.json', 'summary.csv', 'overlay/street/a.jpg']
    files += [f'{kind}/street/a.png' for kind in ('mask', 'margin', 'confidence')]
    assert listed(tmp_path / 'out') == sorted(files)
    assert open_outputs(ALL, images).done('street/a', images)
    assert not open_outputs(ALL, images).done('street/b', images)
    assert not open_outputs(ALL, images, overwrite=True).done('street/a', images)
    for file in ('mask/street/a.png', 'overlay/street/a.jpg', '.contours.jsonl', 'summary.csv'):
        content = (tmp_path / 'out' / file).read_bytes()
        (tmp_path / 'out' / file).unlink()
        assert not open_outputs(ALL, images).done('street/a', images)
        (tmp_path / 'out' / file).write_bytes(content)
    assert open_outputs(ALL, images).done('street/a', images)


def test_a_frame_that_died_between_two_outputs_is_not_done(open_outputs, source, complete, full_disk, tmp_path):
    images = source()
    full_disk.active = False
    with open_outputs(['mask'], images) as outputs:
        outputs.write(complete(images))
    outputs = open_outputs(['mask', 'overlay'], images)
    full_disk.active = True
    with pytest.raises(InputError, match='No space left'):
        outputs.write(complete(images))
    assert not open_outputs(['mask', 'overlay'], images).done('image-0', images)


def test_a_disk_that_is_full_is_one_line_and_leaves_nothing(open_outputs, source, complete, full_disk, tmp_path, listed):
    images = source()
    with (
        open_outputs(['mask'], images) as outputs,
        pytest.raises(InputError, match=r'out: the outputs of image-0 cannot be written: .*No space left.*mask/image-0\.png'),
    ):
        outputs.write(complete(images))
    assert listed(tmp_path / 'out') == []


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='this system has no /dev/full')  # noqa: PTH110
@pytest.mark.parametrize('name', ['summary.csv', '.contours.jsonl'])
def test_a_table_on_a_full_disk_is_one_line(open_outputs, source, complete, tmp_path, name):
    images = source()
    outputs = open_outputs(['contours'], images)
    (tmp_path / 'out' / name).symlink_to('/dev/full')
    with pytest.raises(InputError, match=r'out: the outputs of image-0 cannot be written: .*No space left'):
        outputs.write(complete(images))


def test_what_exists_and_is_not_asked_for_stays(open_outputs, source, complete, tmp_path, listed):
    first, second = source('first'), source('second')
    with open_outputs(['mask', 'contours'], first) as outputs:
        outputs.write(complete(first, name='first'))
    with open_outputs(['mask', 'contours'], second, overwrite=True) as outputs:
        outputs.write(complete(second, name='second'))
    again = open_outputs(['mask', 'contours'], first)
    assert again.done('first', first)
    assert again.done('second', second)
    assert {'mask/first.png', 'mask/second.png'} <= set(listed(tmp_path / 'out'))


def test_overwrite_replaces(open_outputs, source, complete, tmp_path):
    images = source()
    for value in (0, 1):
        with open_outputs(['mask'], images, overwrite=True) as outputs:
            outputs.write(complete(images, mask=np.full((24, 32), value, np.uint8)))
    assert (read_image(tmp_path / 'out/mask/image-0.png') == 255).all()
    assert [line.split(',')[4] for line in (tmp_path / 'out/summary.csv').read_text().splitlines()[1:]] == ['1.0']


def test_an_earlier_recording_of_a_camera_is_not_replaced(open_outputs, source, complete, tmp_path):
    camera = source('0', 'camera-0', live=True, rate=10)
    with open_outputs(['mask', 'video'], camera) as outputs:
        for number in range(3):
            outputs.write(complete(camera, number, captured=number / 10))
    before = {file: file.read_bytes() for file in (tmp_path / 'out').rglob('*') if file.is_file()}
    with open_outputs(['mask', 'video'], camera) as outputs:
        assert not outputs.done('camera-0/000000', camera)
        with pytest.raises(InputError, match='000000 from an earlier run, and 0 cannot be continued; give another folder'):
            outputs.write(complete(camera))
    assert before == {file: file.read_bytes() for file in (tmp_path / 'out').rglob('*') if file.is_file()}
    with open_outputs(['mask', 'video'], camera, overwrite=True) as outputs:
        outputs.write(complete(camera))


def test_an_input_is_never_replaced(open_outputs, source, complete, tmp_path):
    (tmp_path / 'in').mkdir()
    write_image(tmp_path / 'in/a.png', np.full((8, 9, 3), 100, np.uint8))
    images = source(files=[tmp_path / 'in/a.png'])
    outputs = open_outputs(['mask'], images)
    (tmp_path / 'out/mask').mkdir()
    os.link(tmp_path / 'in/a.png', tmp_path / 'out/mask/image-0.png')
    with pytest.raises(InputError, match=r'mask/image-0\.png there is the input'):
        outputs.write(complete(images))
    with pytest.raises(InputError, match='this folder holds the input frames'):
        open_outputs(['mask'], images, folder=tmp_path / 'in')
    assert (read_image(tmp_path / 'in/a.png') == 100).all()


def test_many_threads_write_at_once(open_outputs, source, complete, tmp_path, listed):
    images = source()
    with open_outputs(ALL, images) as outputs, ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: outputs.write(complete(images, number)), range(100)))
    again = open_outputs(ALL, images)
    assert all(again.done(images.name(number), images) for number in range(100))
    assert len(listed(tmp_path / 'out')) == 4 * 100 + 3


def test_pictures_of_a_moving_source_may_be_written_alone(open_outputs, source):
    assert not open_outputs(ALL, source()).together


def test_an_unknown_kind_is_refused(open_outputs, source, tmp_path):
    with pytest.raises(InputError, match='--save masks: there is no such output; give mask, overlay, margin, '):
        open_outputs(['mask', 'masks'], source())
    assert not (tmp_path / 'out').exists()

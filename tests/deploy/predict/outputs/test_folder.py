import os

import numpy as np
import pytest

from mmseg_bisenet_lite.deploy.predict.outputs.folder import OutputFolder
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import read_image, write_image


def open_folder(path, sources):
    return OutputFolder(path, sources, ['mask', 'video'])


GREY = np.full((8, 9, 3), 100, np.uint8)
PAINTED = np.full((8, 9, 3), 200, np.uint8)


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / 'in'
    folder.mkdir()
    for name in ('a.png', 'b.png'):
        write_image(folder / name, GREY)
    return folder


@pytest.fixture
def images(source):
    return lambda folder: [source(files=sorted(folder.iterdir()))]


def test_folders_are_created_and_pictures_are_whole(photographs, images, tmp_path):
    out = open_folder(tmp_path / 'new' / 'out', images(photographs))
    write_image(out.file('mask/street/a.png'), PAINTED)
    assert np.array_equal(read_image(tmp_path / 'new/out/mask/street/a.png'), PAINTED)


@pytest.mark.parametrize('link', [os.symlink, os.link])
def test_an_output_that_is_an_input_is_refused(photographs, images, tmp_path, link):
    (tmp_path / 'out/mask').mkdir(parents=True)
    link(photographs / 'b.png', tmp_path / 'out/mask/b.png')
    out = open_folder(tmp_path / 'out', images(photographs))
    out.file('mask/a.png')
    with pytest.raises(InputError, match=r'out: mask/b\.png there is the input .*b\.png itself'):
        out.file('mask/b.png')


def test_an_input_that_is_a_link_to_the_output_is_refused(photographs, images, tmp_path):
    view = tmp_path / 'view'
    view.mkdir()
    (view / 'b.png').symlink_to(photographs / 'b.png')
    with pytest.raises(InputError, match='this folder holds the input frames'):
        open_folder(photographs, images(view))


def test_a_link_to_another_file_is_replaced_and_not_followed(photographs, images, tmp_path):
    out = tmp_path / 'out'
    out.mkdir()
    write_image(tmp_path / 'precious.png', GREY)
    (out / 'a.png').symlink_to(tmp_path / 'precious.png')
    write_image(open_folder(out, images(photographs)).file('a.png'), PAINTED)
    assert np.array_equal(read_image(tmp_path / 'precious.png'), GREY)
    assert np.array_equal(read_image(out / 'a.png'), PAINTED)


def test_the_folder_of_the_inputs_is_refused_under_any_name(photographs, images, source, tmp_path):
    (tmp_path / 'same').symlink_to(photographs)
    for out in (photographs, photographs / '..' / 'in', tmp_path / 'same'):
        for sources in (images(photographs), [source(files=[tmp_path / 'x.mp4']), source(files=[photographs / 'a.png'])]):
            with pytest.raises(InputError, match='this folder holds the input frames'):
                open_folder(out, sources)


@pytest.mark.parametrize('link', ['mask', 'mask/street'])
def test_the_folder_of_a_kind_is_not_that_of_the_inputs(photographs, images, tmp_path, link):
    (tmp_path / 'out/mask').mkdir(parents=True)
    if link == 'mask':
        (tmp_path / 'out/mask').rmdir()
    (tmp_path / 'out' / link).symlink_to(photographs)
    out = open_folder(tmp_path / 'out', images(photographs))
    with pytest.raises(InputError, match=f'out: {link} there holds input frames; give another folder'):
        out.file(f'{link}/a.png')


def test_the_folder_that_linked_inputs_come_from_is_refused(photographs, source, tmp_path):
    (tmp_path / 'a.png').symlink_to(photographs / 'b.png')  # the output would replace another photograph, in/a.png
    with pytest.raises(InputError, match='this folder holds the input frames'):
        open_folder(photographs, [source(files=[tmp_path / 'a.png'])])


@pytest.mark.parametrize('name', ['painted.png', 'painted.MP4', 'painted.jpeg', 'painted.avi'])
def test_the_name_of_a_file_is_refused(photographs, images, tmp_path, name):
    with pytest.raises(InputError, match=f'{name}: give a folder'):
        open_folder(tmp_path / name, images(photographs))
    assert not (tmp_path / name).exists()
    (tmp_path / name).touch()
    with pytest.raises(InputError, match=f'{name}: this is a file; give a folder'):
        open_folder(tmp_path / name, images(photographs))
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    open_folder(tmp_path / name, images(photographs))


def test_outputs_of_an_earlier_run_are_not_inputs(photographs, source, tmp_path):
    out = photographs / 'out'
    for name in ('mask', 'other'):
        (out / name / 'deep').mkdir(parents=True)
        write_image(out / name / 'deep/a.png', GREY)
    with pytest.raises(InputError, match=r'its outputs in .*mask/deep are inputs too; give a folder outside of'):
        open_folder(out, [source(files=[photographs / 'a.png', out / 'mask/deep/a.png'])])
    open_folder(out, [source(files=[photographs / 'a.png', out / 'other/deep/a.png'])])

import os
from pathlib import Path

import numpy as np
import pytest

from mmseg_bisenet_lite.deploy.output_folder import OutputFolder
from mmseg_bisenet_lite.deploy.sources import Images, Video, source_of
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import read_image, write_image

GREY = np.full((8, 9, 3), 100, np.uint8)
PAINTED = np.full((8, 9, 3), 200, np.uint8)


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / 'in'
    folder.mkdir()
    for name in ('a.png', 'b.png'):
        write_image(folder / name, GREY)
    return folder


def test_pictures_are_written_whole(photographs, tmp_path):
    out = OutputFolder(tmp_path / 'new' / 'out', source_of(str(photographs)))
    out.write('a.png', PAINTED)
    assert np.array_equal(read_image(tmp_path / 'new' / 'out' / 'a.png'), PAINTED)
    assert [file.name for file in out.folder.iterdir()] == ['a.png']


@pytest.mark.parametrize('link', [os.symlink, os.link])
def test_an_output_that_is_an_input_is_refused_before_anything_is_written(photographs, tmp_path, link):
    out = tmp_path / 'out'
    out.mkdir()
    link(photographs / 'b.png', out / 'b.png')
    with pytest.raises(InputError, match=r'out: b\.png there is the input .*in/b\.png itself'):
        OutputFolder(out, source_of(str(photographs)))


def test_an_input_that_is_a_link_to_the_output_is_refused(photographs, tmp_path):
    view = tmp_path / 'view'
    view.mkdir()
    (view / 'b.png').symlink_to(photographs / 'b.png')
    with pytest.raises(InputError, match='this folder holds the input frames'):
        OutputFolder(photographs, source_of(str(view)))


def test_a_link_to_another_file_is_replaced_and_not_followed(photographs, tmp_path):
    out = tmp_path / 'out'
    out.mkdir()
    write_image(tmp_path / 'precious.png', GREY)
    (out / 'a.png').symlink_to(tmp_path / 'precious.png')
    OutputFolder(out, source_of(str(photographs))).write('a.png', PAINTED)
    assert np.array_equal(read_image(tmp_path / 'precious.png'), GREY)
    assert np.array_equal(read_image(out / 'a.png'), PAINTED)


def test_the_folder_of_the_inputs_is_refused_under_any_name(photographs, tmp_path):
    (tmp_path / 'same').symlink_to(photographs)
    for out in (photographs, photographs / '..' / 'in', tmp_path / 'same'):
        for source in (photographs, photographs / 'a.png'):
            with pytest.raises(InputError, match='this folder holds the input frames'):
                OutputFolder(out, source_of(str(source)))


def test_the_folder_that_linked_inputs_come_from_is_refused(photographs, tmp_path):
    (tmp_path / 'a.png').symlink_to(photographs / 'b.png')  # the output would replace another photograph, in/a.png
    with pytest.raises(InputError, match='this folder holds the input frames'):
        OutputFolder(photographs, source_of(str(tmp_path / 'a.png')))


@pytest.mark.parametrize('name', ['painted.png', 'painted.MP4', 'painted.jpeg', 'painted.avi'])
def test_the_name_of_a_file_is_refused(photographs, tmp_path, name):
    with pytest.raises(InputError, match=f'{name}: give a folder'):
        OutputFolder(tmp_path / name, source_of(str(photographs)))
    assert not (tmp_path / name).exists()
    (tmp_path / name).touch()
    with pytest.raises(InputError, match=f'{name}: this is a file; give a folder'):
        OutputFolder(tmp_path / name, source_of(str(photographs)))
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    OutputFolder(tmp_path / name, source_of(str(photographs)))


@pytest.mark.parametrize('names', [('a.png', 'A.PNG'), ('frame', 'frame.png'), ('u\u0308.png', '\u00fc.png')])
def test_two_inputs_with_one_output_name_are_refused_before_anything_is_written(tmp_path, names):
    named = f'the outputs of {names[0]} and {names[1]} would be one file on some disks; rename one of them'
    with pytest.raises(InputError, match=named):
        OutputFolder(tmp_path / 'out', Images([tmp_path / name for name in names]))
    assert not (tmp_path / 'out').exists()


def test_names_that_differ_in_their_suffixes_are_two_outputs(tmp_path):
    OutputFolder(tmp_path / 'out', Images([tmp_path / 'a.jpg', tmp_path / 'a.png']))


def test_a_video_is_not_replaced_by_a_frame(tmp_path):
    (tmp_path / 'clip.mp4').write_bytes(b'video')
    out = OutputFolder(tmp_path / 'out', Video(str(tmp_path / 'clip.mp4'), [tmp_path / 'clip.mp4']))
    (tmp_path / 'out' / '000000.png').symlink_to(tmp_path / 'clip.mp4')
    with pytest.raises(InputError, match='is the input'):
        out.write('000000.png', PAINTED)


def test_a_disk_that_is_full_is_named(photographs, tmp_path, monkeypatch):
    out = OutputFolder(tmp_path / 'out', source_of(str(photographs)))

    def full(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(Path, 'write_bytes', full)
    with pytest.raises(InputError, match=r'out: a\.png cannot be written to this folder: .*No space left'):
        out.write('a.png', PAINTED)
    assert not list(out.folder.iterdir())

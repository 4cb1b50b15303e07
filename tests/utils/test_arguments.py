import argparse
import errno
import sys

import pytest

from mmseg_bisenet_lite.utils.arguments import key_and_value, output_file, path, region, tiles
from mmseg_bisenet_lite.utils.console import one_line_errors
from mmseg_bisenet_lite.utils.errors import InputError


@pytest.mark.parametrize(
    ('error', 'message'),
    [
        (InputError('a.pth: damaged'), 'a.pth: damaged'),
        (FileNotFoundError('first\na.pth can not be found.'), 'a.pth can not be found.'),  # as hosts say it
        (FileExistsError(), 'FileExistsError'),
        (OSError(errno.ENAMETOOLONG, 'File name too long', 'aaa'), "[Errno 36] File name too long: 'aaa'"),
        (OSError(errno.ENOSPC, 'No space left on device'), '[Errno 28] No space left on device'),
    ],
)
def test_the_users_mistakes_are_one_line(monkeypatch, error, message):
    monkeypatch.setattr(sys, 'argv', ['tools/train.py'])
    with pytest.raises(SystemExit, match=r'^train\.py: error: ') as stopped, one_line_errors():
        raise error
    assert stopped.value.code == f'train.py: error: {message}'


@pytest.mark.parametrize('error', [OSError(errno.EBADF, 'Bad file descriptor'), ValueError('a'), ConnectionError('b')])
def test_defects_keep_their_trace(error):
    with pytest.raises(type(error)) as raised, one_line_errors():
        raise error
    assert raised.value is error


@pytest.mark.parametrize('text', ['a', '=1', 'a.=1', '.a=1', 'a=(1,2', 'a=[1,2', ''])
def test_what_is_no_change_to_a_config_is_named(text):
    with pytest.raises(argparse.ArgumentTypeError, match=r'is not KEY=VALUE|a bracket is missing'):
        key_and_value(text)


@pytest.mark.parametrize('text', ['a=', 'a.0.b=(1,2)', 'a=copy (1', 'a=b=c', 'a=[(1,2),[3]]'])
def test_changes_to_a_config_are_taken_as_they_are(text):
    assert key_and_value(text) == text


@pytest.mark.parametrize('parse', [path, output_file])
def test_an_empty_path_is_not_the_current_folder(parse):
    with pytest.raises(argparse.ArgumentTypeError, match="'' is not a path; is a variable of the shell empty"):
        parse('')


def test_a_grid_of_tiles_is_columns_by_rows():
    assert tiles('2x1') == (2, 1)


@pytest.mark.parametrize('text', ['', '2', '0x1', '2x', '65x1', '2,1', '-1x1', ' 2x1', '2x1x1'])
def test_what_is_no_grid_is_named(text):
    with pytest.raises(argparse.ArgumentTypeError, match='is no grid such as 2x1'):
        tiles(text)


def test_a_region_is_left_top_width_and_height():
    assert region('5,0,640,240') == (5, 0, 640, 240)


@pytest.mark.parametrize('text', ['', '1,2,3', '1,2,0,4', '1,2,3,0', '-1,2,3,4', '1,2,3,4,5', '1.5,2,3,4', '640x360'])
def test_what_is_no_region_is_named(text):
    with pytest.raises(argparse.ArgumentTypeError, match='is no region such as 0,120,640,240'):
        region(text)

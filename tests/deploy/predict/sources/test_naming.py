"""Names of outputs: no two inputs share one, on any disk."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmseg_bisenet_lite.deploy.predict.sources.naming import Names
from mmseg_bisenet_lite.utils.errors import InputError

FOLDER = Path('/in')


def named(images, videos=()):
    images, videos = ([FOLDER / name for name in names] for names in (images, videos))
    names = Names(images, videos, [FOLDER])
    names.check()
    return [names(file) for file in (*images, *videos)]


@pytest.mark.parametrize(
    ('images', 'videos', 'expected'),
    [
        (['a.jpg', 'b.jpg'], ['c.mp4'], ['a', 'b', 'c']),
        (['a.jpg', 'a.png', 'b.jpg'], [], ['a.jpg', 'a.png', 'b']),
        (['a.jpg', 'A.png'], [], ['a.jpg', 'A.png']),
        (['u\u0308.jpg', '\u00fc.png'], [], ['u\u0308.jpg', '\u00fc.png']),
        (['a', 'a.png'], [], ['a', 'a.png']),
        (['a.jpg', 'a.png', 'a.jpg.png'], [], ['a.jpg', 'a.png', 'a.jpg.png']),
        (['a.jpg'], ['a.mp4'], ['a.jpg', 'a.mp4']),
        (['clip/000000.jpg'], ['clip.mp4', 'clip/deep.mp4'], ['clip/000000', 'clip.mp4', 'clip/deep']),
        (['clip/deep/1.jpg'], ['clip.mp4'], ['clip/deep/1', 'clip.mp4']),
        (['x/a.jpg', 'y/a.jpg'], [], ['x/a', 'y/a']),
        (['version-1.2'], ['take.3.avi'], ['version-1.2', 'take.3']),
    ],
)
def test_a_name_is_the_path_without_its_suffix_unless_two_share_that(images, videos, expected):
    assert named(images, videos) == expected


@pytest.mark.parametrize('names', [('a.png', 'A.PNG'), ('u\u0308.png', '\u00fc.png'), ('x/a.png', 'X/a.png')])
def test_names_that_are_one_on_some_disks_are_refused(names):
    with pytest.raises(InputError, match=r'--out: the outputs of /in/\S+ and /in/\S+ would be one file on some disks; rename'):
        named(names)


def test_the_folder_above_all_that_was_named_is_left_out():
    names = Names([Path('/in/x/a.png'), Path('/in/y/z/a.png')], [], [Path('/in/x'), Path('/in/y/z')])
    assert [names(Path('/in/x/a.png')), names(Path('/in/y/z/a.png'))] == ['x/a', 'y/z/a']


PART = st.sampled_from(['a', 'A', 'a.jpg', 'a.png', 'a.mp4', 'b', 'b.jpg.png', 'b.jpg', '\u00fc.png', 'u\u0308.png'])


@given(st.lists(st.lists(PART, min_size=1, max_size=3).map('/'.join), max_size=8, unique=True))
def test_no_two_names_are_equal_on_any_disk(paths):
    images = [path for path in paths if not path.endswith('.mp4')]
    videos = [path for path in paths if path.endswith('.mp4')]
    try:
        found = named(images, videos)
    except InputError:
        return
    lower = [name.lower() for name in found]
    assert len(lower) == len(set(lower))

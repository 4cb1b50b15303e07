import csv
import json
import os

import numpy as np
import pytest

from mmseg_bisenet_lite.deploy.predict.sources import sources_of
from mmseg_bisenet_lite.utils.errors import InputError

ODD = ['a,b', 'say "x"', 'line\nend', 'return\rend', 'ü/straße', 'bytes \udcff', "'", '=1+1', ' space ', '\u2028', 'semi;colon']


def table(folder, name='summary.csv'):
    with (folder / name).open(newline='', encoding='utf-8', errors='surrogateescape') as opened:
        return list(csv.DictReader(opened))


def test_a_row_has_shares_and_duration(open_outputs, source, result_of, tmp_path):
    mask = np.zeros((10, 10), np.uint8)
    mask[0], mask[1:3] = 1, 255
    video = source('clip.mp4', 'clip')
    outputs = open_outputs([], video)
    outputs.write(result_of(video, 7, mask=mask))
    expected = {'name': 'clip/000007', 'source': 'clip.mp4', 'frame': '7', 'foreground': '0.1', 'undecided': '0.2'}
    expected |= {'milliseconds': '12.5', 'modified': '0.0', 'outputs': '', 'options': ''}
    assert table(tmp_path / 'out') == [expected]  # before close: an interruption keeps it


def test_odd_names_are_quoted_and_known_again(open_outputs, source, result_of, tmp_path):
    images = source('images, of "mine"\n')
    for times in (1, 2):
        with open_outputs([], images) as outputs:
            for number, name in enumerate(ODD):
                assert outputs.done(name, images) == (times == 2)
                outputs.write(result_of(images, number, name))
    assert [(row['name'], row['source'], row['frame']) for row in table(tmp_path / 'out')] == [
        (name, images.label, '0') for name in ODD
    ]


@pytest.mark.parametrize('cut', [1, 3, 20, 30, 34])
def test_a_row_that_was_cut_off_is_written_again(open_outputs, source, result_of, tmp_path, cut):
    images = source()
    names = ['first', 'line\nend']
    with open_outputs([], images) as outputs:
        for number, name in enumerate(names):
            outputs.write(result_of(images, number, name))
    file = tmp_path / 'out/summary.csv'
    whole = file.read_bytes()
    file.write_bytes(whole[:-cut])
    with open_outputs([], images) as outputs:
        assert [outputs.done(name, images) for name in names] == [True, False]
        outputs.write(result_of(images, 1, names[1]))
    assert file.read_bytes() == whole


@pytest.mark.parametrize(
    ('first', 'second', 'message'),
    [
        ('a/x.jpg', 'b/x.jpg', r'the outputs of x there are of \S*/a/x.jpg, not of \S*/b/x.jpg; give another folder, or'),
        ('clip.mp4', 'b/clip.mp4', r'the outputs of clip/000007 there are of \S*/clip.mp4, not of \S*/b/clip.mp4; give'),
        ('a/x.jpg', 'a/x.jpg', 'the outputs of x there were made with --threshold 0, not with --threshold 1; give'),
    ],
)
def test_outputs_of_another_input_or_other_options_are_not_taken_for_done(
    open_outputs, result_of, tmp_path, monkeypatch, first, second, message
):
    monkeypatch.chdir(tmp_path)

    def source_of(file):
        path = tmp_path / file  # the same file, written otherwise, is the same input
        path.parent.mkdir(exist_ok=True)
        path.touch()
        return sources_of([str(path.relative_to(tmp_path))])[0]

    source = source_of(first)
    options = ['--threshold 0', '--threshold 1' if first == second else '--threshold 0']
    with open_outputs([], source, options=options[0]) as outputs:
        outputs.write(result_of(source, 7, 'x' if first.endswith('jpg') else None))
    open_outputs([], *sources_of([str(tmp_path / first)]), options=options[0])
    other = source_of(second)
    with pytest.raises(InputError, match=message):
        open_outputs(['mask'], other, options=options[1])
    open_outputs([], other, options=options[1], overwrite=True)
    open_outputs([], source_of('other.jpg'), options=options[1])  # new inputs may be added with any options


@pytest.fixture
def photograph(tmp_path):
    (tmp_path / 'a').mkdir()
    (tmp_path / 'a/x.jpg').touch()
    return sources_of([str(tmp_path / 'a/x.jpg')])[0]


def test_what_was_made_with_other_options_is_not_done(open_outputs, result_of, photograph):
    """The overlay of the first run is there still, but it does not fit the mask of the second."""
    for options, kinds in (('--threshold 0', ['mask', 'overlay']), ('--threshold 1', ['mask'])):
        with open_outputs(kinds, photograph, options=options, overwrite=True) as outputs:
            outputs.write(result_of(photograph))
    assert open_outputs(['mask'], photograph, options='--threshold 1').done('x', photograph)
    with open_outputs(['overlay'], photograph, options='--threshold 1') as outputs:
        assert not outputs.done('x', photograph)
        outputs.write(result_of(photograph))
    assert open_outputs(['mask', 'overlay'], photograph, options='--threshold 1').done('x', photograph)


def test_a_photograph_that_was_replaced_is_not_done(open_outputs, result_of, photograph, tmp_path):
    for expected in (False, True):
        with open_outputs(['mask'], photograph) as outputs:
            assert outputs.done('x', photograph) == expected
            outputs.write(result_of(photograph))
    os.utime(tmp_path / 'a/x.jpg', (10, 10))
    assert not open_outputs(['mask'], photograph).done('x', photograph)


@pytest.mark.parametrize('parts', [(None, '1of2'), ('1of2', '1of4')])
def test_a_part_sees_what_others_have_done(open_outputs, result_of, photograph, parts):
    first, second = parts
    with open_outputs(['mask'], photograph, part=first, options='--threshold 0') as outputs:
        outputs.write(result_of(photograph))
    assert open_outputs(['mask'], photograph, part=second, options='--threshold 0').done('x', photograph)
    with pytest.raises(InputError, match='the outputs of x there were made with --threshold 0, not with --threshold 1; give'):
        open_outputs(['mask'], photograph, part=second, options='--threshold 1')
    with open_outputs(['mask'], photograph, part=second, options='--threshold 1', overwrite=True) as outputs:
        outputs.write(result_of(photograph))
    assert open_outputs(['mask'], photograph, part=second, options='--threshold 1').done('x', photograph)


def test_the_newest_run_counts_whoever_made_it(open_outputs, result_of, photograph):
    runs = (('1of2', '--threshold 0'), (None, '--threshold 1'))
    for part, options in runs:
        with open_outputs(['mask'], photograph, part=part, options=options, overwrite=True) as outputs:
            outputs.write(result_of(photograph))
    for part in ('1of2', None, '1of2', None):
        assert open_outputs(['mask'], photograph, part=part, options='--threshold 1').done('x', photograph)
        with pytest.raises(InputError, match='were made with --threshold 1, not with --threshold 0'):
            open_outputs(['mask'], photograph, part=part, options='--threshold 0')


def test_photographs_have_no_video(open_outputs, source, result_of, photograph, tmp_path):
    video = source('clip.mp4', 'clip', rate=10)
    with open_outputs(['mask'], photograph) as outputs:
        outputs.write(result_of(photograph))
    with open_outputs(['mask', 'video'], photograph, video) as outputs:
        assert outputs.done('x', photograph)
        for each, number in ((photograph, 0), (video, 0)):
            outputs.write(result_of(each, number))
    assert [row['outputs'] for row in table(tmp_path / 'out')] == ['mask', 'mask video']


def test_parts_write_into_one_folder(open_outputs, source, result_of, tmp_path, listed):
    images = source()
    for part in ('1of2', '2of2'):
        with open_outputs(['contours'], images, part=part) as outputs:
            outputs.write(result_of(images, name=part))
    files = [f'{start}-{part}{end}' for start, end in (('contours', '.json'), ('summary', '.csv')) for part in ('1of2', '2of2')]
    assert [file for file in listed(tmp_path / 'out') if not file.startswith('.')] == files
    assert [row['name'] for row in table(tmp_path / 'out', 'summary-2of2.csv')] == ['2of2']
    with open_outputs(['contours'], images) as whole:  # takes over what the parts have done
        assert [whole.done(name, images) for name in ('1of2', '2of2', '3of2')] == [True, True, False]
    assert [row['name'] for row in table(tmp_path / 'out')] == ['1of2', '2of2']
    coco = json.loads((tmp_path / 'out/contours.json').read_text())
    assert [image['file_name'] for image in coco['images']] == ['1of2', '2of2']

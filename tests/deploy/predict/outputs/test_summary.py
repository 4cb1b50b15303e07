import csv

import numpy as np
import pytest

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
    assert table(tmp_path / 'out') == [{**expected, 'milliseconds': '12.5'}]  # before close: an interruption keeps it


def test_odd_names_are_quoted_and_known_again(open_outputs, source, result_of, tmp_path):
    images = source('images, of "mine"\n')
    for times in (1, 2):
        with open_outputs([], images) as outputs:
            for number, name in enumerate(ODD):
                assert outputs.done(name, images) == (times == 2)
                outputs.write(result_of(images, number, name))
    assert [(row['name'], row['source'], row['frame']) for row in table(tmp_path / 'out')] == [
        (name, images.label, str(number)) for number, name in enumerate(ODD)
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


def test_parts_write_into_one_folder(open_outputs, source, result_of, tmp_path, listed):
    images = source()
    for part in ('1of2', '2of2'):
        with open_outputs(['contours'], images, part=part) as outputs:
            outputs.write(result_of(images, name=part))
    files = [f'{start}-{part}{end}' for start, end in (('contours', '.json'), ('summary', '.csv')) for part in ('1of2', '2of2')]
    assert [file for file in listed(tmp_path / 'out') if not file.startswith('.')] == files
    assert [row['name'] for row in table(tmp_path / 'out', 'summary-2of2.csv')] == ['2of2']

import errno
import json
import os
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from mmseg_bisenet_lite.deploy.predict.outputs.contours import _parse as parse_lines
from mmseg_bisenet_lite.deploy.predict.outputs.rows import Rows
from mmseg_bisenet_lite.utils.errors import InputError


def row(name, value):
    return json.dumps({'name': name, 'value': value}, separators=(',', ':')) + '\n'


def test_rows_of_earlier_runs_stay_and_newer_ones_replace_them(tmp_path):
    file = tmp_path / 'rows'
    first = Rows(file, parse_lines)
    for name in 'abc':
        first.append(name, row(name, 1))
    assert file.read_text() == row('a', 1) + row('b', 1) + row('c', 1)  # also without close
    second = Rows(file, parse_lines)
    assert [name in second for name in 'abcd'] == [True, True, True, False]
    second.append('b', row('b', 2))
    second.append('d', row('d', 2))
    second.close()
    assert file.read_text() == row('a', 1) + row('c', 1) + row('b', 2) + row('d', 2)


@pytest.mark.parametrize('cut', range(1, len(row('b', 1)) + 1))
def test_a_row_that_was_cut_off_at_any_byte_is_dropped(tmp_path, cut):
    file = tmp_path / 'rows'
    file.write_text((row('a', 1) + row('b', 1))[:-cut])
    rows = Rows(file, parse_lines)
    assert ('a' in rows, 'b' in rows) == (True, False)
    rows.append('b', row('b', 2))
    assert file.read_text() == row('a', 1) + row('b', 2)


def test_a_row_that_a_full_disk_cuts_off_does_not_spoil_the_next_one(tmp_path, monkeypatch):
    file = tmp_path / 'rows'
    rows = Rows(file, parse_lines)
    rows.append('a', row('a', 1))
    real = Path.open

    def on_full_disk(self, *args, **kwargs):
        def write(data):
            if len(data) < len(row('b', 1)):
                raise OSError(errno.ENOSPC, 'No space left on device')
            return opened.write(data[:4])

        opened = real(self, *args, **kwargs)
        full = MagicMock(wraps=opened)
        full.write = write
        full.__enter__.return_value = full
        return full

    with monkeypatch.context() as patch:
        patch.setattr(Path, 'open', on_full_disk)
        with pytest.raises(OSError, match='No space left'):
            rows.append('b', row('b', 1))
    rows.append('c', row('c', 1))
    assert file.read_text() == row('a', 1) + row('c', 1)


def test_rows_that_an_interruption_left_twice_are_one_after_opening(tmp_path):
    file = tmp_path / 'rows'
    file.write_text(row('a', 1) + row('b', 1) + row('a', 2))
    assert list(Rows(file, parse_lines)) == [row('b', 1), row('a', 2)]


def test_rows_of_parts_are_taken_over_and_the_newer_file_counts(tmp_path):
    files = [tmp_path / name for name in ('new', 'old', 'rows')]
    for time, (file, names) in enumerate(zip((files[1], files[2], files[0]), ('ab', 'bc', 'cd'), strict=True)):
        file.write_text(''.join(row(name, file.name) for name in names))
        os.utime(file, ns=(time, time))
    rows = Rows(files[2], parse_lines, parts=files[:2])
    assert list(rows) == [row('a', 'old'), row('b', 'rows'), row('c', 'new'), row('d', 'new')]
    assert files[0].read_text() == row('c', 'new') + row('d', 'new')  # it may still grow


def test_a_file_of_somebody_else_stays_as_it_is(tmp_path):
    file = tmp_path / 'summary.csv'
    file.write_text('my,own,table\n1,2,3\n')
    with pytest.raises(InputError, match=r'summary.csv: begins with .my,own,table.* give another folder'):
        Rows(file, parse_lines, 'name,share\n')
    assert file.read_text() == 'my,own,table\n1,2,3\n'

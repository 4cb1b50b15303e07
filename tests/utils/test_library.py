"""What is said of an optional library that cannot be imported."""

import sys

import pytest

from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.library import reason_of, require


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Write a module that runs a line of code."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(code):
        (tmp_path / 'broken_library.py').write_text(code)
        monkeypatch.delitem(sys.modules, 'broken_library', raising=False)

    return write


def test_what_is_missing_is_installed_and_what_is_there_is_returned():
    with pytest.raises(
        InputError, match=r'absent_library cannot be imported \(No module .*\): run pip install absent-library$'
    ):
        require('absent_library', 'absent-library')
    with pytest.raises(InputError, match=r'absent\.part cannot be imported \(No module .*\): run pip install absent$'):
        require('absent.part', 'absent')
    assert require('json', 'json') is sys.modules['json']


@pytest.mark.parametrize(
    ('code', 'reason'),
    [
        ('raise ImportError', r'ImportError without a reason; it may have been built for another NumPy than \d+\.\d+.*'),
        ('raise ImportError("  ")', r'ImportError without a reason; .*'),
        (
            'try:\n    raise OSError("libfoo.so: not found")\nexcept OSError as e:\n    raise ImportError from e',
            'libfoo.so: not found',
        ),
        ('import absent_part', "No module named 'absent_part'"),
        ('raise AttributeError("_ARRAY_API not found")', '_ARRAY_API not found'),
        ('raise RuntimeError("one\\ntwo")', 'one'),
        ('raise OSError("libbar.so: wrong architecture")', 'libbar.so: wrong architecture'),
    ],
)
def test_what_is_installed_and_broken_is_told_with_a_reason(library, code, reason):
    library(code)
    told = (
        rf'^broken_library is installed, but cannot be imported \({reason}\): run pip install --upgrade broken-library numpy$'
    )
    with pytest.raises(InputError, match=told):
        require('broken_library', 'broken-library')


def test_a_reason_is_never_empty():
    assert reason_of(ImportError()).startswith('ImportError without')
    assert reason_of(ValueError('\n')).startswith('ValueError without')

import errno
import os
import sys

import pytest

from mmseg_bisenet_lite.utils.console import one_line_errors


@pytest.mark.parametrize('lines', [1, 100_000])  # written at the end, and before
def test_a_closed_pipe_ends_without_a_trace(monkeypatch, lines):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, 'w') as closed:
        monkeypatch.setattr(sys, 'stdout', closed)
        with pytest.raises(SystemExit) as stopped, one_line_errors():
            print('line\n' * lines)
        assert stopped.value.code == 141
        closed.flush()  # as Python does at exit


def test_another_pipe_that_is_closed_is_no_users_mistake(monkeypatch):
    reader, writer = os.pipe()
    with os.fdopen(reader), os.fdopen(writer, 'w') as opened:
        monkeypatch.setattr(sys, 'stdout', opened)
        with pytest.raises(BrokenPipeError), one_line_errors():
            raise BrokenPipeError(errno.EPIPE, 'a worker is gone')

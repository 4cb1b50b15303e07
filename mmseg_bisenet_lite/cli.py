"""What the command-line tools share: the host's own tools, one-line errors, types of arguments."""

import argparse
import re
import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmseg_bisenet_lite import compat
from mmseg_bisenet_lite.errors import InputError


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the program with one line on standard error for a mistake in the user's input; other errors keep their trace."""
    try:
        yield
    except InputError as error:
        message = error.line
    except FileNotFoundError as error:
        message = str(error).strip().splitlines()[-1]
    else:
        return
    sys.exit(f'{Path(sys.argv[0]).name}: error: {message}')


def run_host_tool(name: str) -> None:
    """Run the installed MMSegmentation's ``tools/<name>.py`` with this process's arguments.

    Its options, logs and files are therefore exactly the host's; importing this package has applied the fixes and
    registered the modules before the host reads a config.
    """
    with one_line_errors():
        problem = compat.host_problem()
        if problem:
            raise InputError(problem)
        runpy.run_path(str(compat.mim_folder('mmseg') / 'tools' / f'{name}.py'), run_name='__main__')


def size(text: str) -> tuple[int, int]:
    """``argparse`` type of an image size, ``'WxH'`` to (width, height)."""
    match = re.fullmatch(r'(\d+)x(\d+)', text)
    if match is None or min(map(int, match.groups())) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not a size such as 640x360 (width x height)')
    return int(match[1]), int(match[2])


def count(text: str) -> int:
    """``argparse`` type of a whole number from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number from 0 on')
    return int(text)

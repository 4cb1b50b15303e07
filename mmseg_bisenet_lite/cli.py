"""What the command-line tools share: the host's own tools, one-line errors, types of arguments."""

import argparse
import errno
import math
import os
import re
import runpy
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from mmseg_bisenet_lite import compat
from mmseg_bisenet_lite.errors import InputError

# What is the user's to mend, and not a defect.
_OF_PATHS = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)
_OF_DISKS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the program with one line on standard error for the user's mistake, or Ctrl-C; other errors keep their trace."""
    try:
        yield
    except InputError as error:
        message = error.line
    except KeyboardInterrupt as error:
        print('; '.join([f'{Path(sys.argv[0]).name}: interrupted', *map(str, error.args)]), file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        if not (isinstance(error, _OF_PATHS) or error.filename or error.errno in _OF_DISKS):
            raise
        message = [type(error).__name__, *str(error).strip().splitlines()][-1]
    else:
        return
    sys.exit(f'{Path(sys.argv[0]).name}: error: {message}')


def run_host_tool(name: str) -> None:
    """Run the installed MMSegmentation's ``tools/<name>.py`` with this process's arguments.

    Its options, logs and files are therefore exactly the host's; importing this package has applied the fixes and
    registered the modules before the host reads a config.
    """
    with one_line_errors():
        need_host()
        runpy.run_path(str(compat.mim_folder('mmseg') / 'tools' / f'{name}.py'), run_name='__main__')


def with_options(arguments: Sequence[str], options: Sequence[str]) -> list[str]:
    """The arguments of a host's tool with more of ``--cfg-options``, before those that the user gives."""
    if '--cfg-options' in arguments:
        after = list(arguments).index('--cfg-options') + 1
        return [*arguments[:after], *options, *arguments[after:]]
    return [*arguments, '--cfg-options', *options]


def need_host() -> None:
    """Raise an :class:`InputError` that says what to install if MMSegmentation cannot be imported."""
    problem = compat.host_problem()
    if problem:
        raise InputError(problem)


@contextmanager
def progress_bar(first: str) -> Iterator[Callable[[str, float], None]]:
    """A bar on standard error while something lasts: yields what is told its label and the share that is done, 0 to 1."""
    columns = (TextColumn('{task.description}'), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(first, total=1.0)
        yield lambda what, done: progress.update(task, description=what, completed=done)


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


def positive(text: str) -> int:
    """``argparse`` type of a whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number from 1 on')
    return int(text)


def number(text: str) -> float:
    """``argparse`` type of a finite number from 0 on."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f'{text!r} is not a number from 0 on')
    return value


def some_of(names: Iterable[str]) -> Callable[[str], list[str]]:
    """``argparse`` type of a comma-separated list of some of the names, without repetitions."""
    known = list(names)

    def parse(text: str) -> list[str]:
        chosen = list(dict.fromkeys(text.split(',')))
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f'{name!r} is none of {", ".join(known)}')
        return chosen

    return parse


def output_file(text: str) -> Path:
    """``argparse`` type of a file that can be written: its folder exists, and it is no folder itself."""
    path = Path(text)
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f'there is no folder {path.parent} to write {path.name} into')
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f'{path} cannot be written')
    return path


def number_of_name(text: str) -> tuple[str, float]:
    """``argparse`` type of a name with a number, ``'NAME=1.5'``."""
    name, _, number = text.rpartition('=')
    try:
        return name, float(number)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is not a name and a number such as lite=83.5') from None

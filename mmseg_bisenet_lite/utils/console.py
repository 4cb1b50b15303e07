"""The terminal: errors of one line, and progress."""

import errno
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from mmseg_bisenet_lite.utils.errors import InputError

# What is the user's to mend, and not a defect.
_OF_PATHS = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)
_OF_DISKS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)

# Called with what is being done and which share of all of it is done, 0 to 1.
ReportProgress = Callable[[str, float], None]


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


@contextmanager
def progress_bar(first: str) -> Iterator[ReportProgress]:
    """A bar on standard error while something lasts: yields what is told its label and the share that is done, 0 to 1."""
    columns = (TextColumn('{task.description}'), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(first, total=1.0)
        yield lambda what, done: progress.update(task, description=what, completed=done)

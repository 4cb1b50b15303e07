"""Terminal output: one-line errors and a progress bar."""

import errno
import os
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from mmseg_bisenet_lite.utils.errors import InputError

# Errors that the user can mend; they are not defects of the program.
_OF_PATHS = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)
_OF_DISKS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)

# Called with a label of the current work and the share of all work that is done, 0 to 1.
ReportProgress = Callable[[str, float], None]


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the program with one line on standard error after the user's mistake or Ctrl-C; other errors keep their traceback.

    If nobody reads standard output any more, as after ``| head``, the program ends silently with status 141, as others do.
    """
    try:
        yield
        sys.stdout.flush()  # not at exit, where an error could not be handled
    except BrokenPipeError:
        output = select.poll()
        output.register(sys.stdout.fileno(), 0)
        if not output.poll(0):  # no error: another pipe is closed
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python writes at exit
        sys.exit(141)
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
    """Show a progress bar on standard error; yield the function that sets its label and the share that is done, 0 to 1."""
    columns = (TextColumn('{task.description}'), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(first, total=1.0)
        yield lambda what, done: progress.update(task, description=what, completed=done)

"""Terminal output: one-line errors and a progress bar."""

import errno
import logging
import os
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.interrupts import Terminated, interruptible

# Errors that the user can mend; they are not defects of the program.
_OF_PATHS = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)
_OF_DISKS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO)

# Called with a label of the current work and the share of all work that is done, 0 to 1.
ReportProgress = Callable[[str, float], None]


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the program with one line on standard error after the user's mistake or a signal; other errors keep their traceback.

    If the reader of standard output is gone, as with ``| head -1``, the program ends silently with status 141, as others do.
    """
    with interruptible(), _strict_logs():
        try:
            try:
                yield
            finally:
                if sys.stdout:  # None if the program was started without, as by some services
                    sys.stdout.flush()  # not when Python exits, where an error is a traceback
            return
        except InputError as error:
            message = error.line
        except KeyboardInterrupt as error:
            terminated = isinstance(error, Terminated)
            words = ['terminated' if terminated else 'interrupted', *map(str, error.args)]
            print(f'{Path(sys.argv[0]).name}: {"; ".join(words)}', file=sys.stderr)
            sys.exit(143 if terminated else 130)
        except OSError as error:
            if isinstance(error, BrokenPipeError) and _reader_is_gone():
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                sys.exit(141)
            if not (isinstance(error, _OF_PATHS) or error.filename or error.errno in _OF_DISKS):
                raise
            message = [type(error).__name__, *str(error).strip().splitlines()][-1]
        sys.exit(f'{Path(sys.argv[0]).name}: error: {message}')


def _reader_is_gone() -> bool:
    if not hasattr(select, 'poll'):  # Windows
        return True
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


@contextmanager
def _strict_logs() -> Iterator[None]:
    """Raise the error of a log file that cannot be written, such as a full disk; ``logging`` prints a traceback and goes on."""

    def handle_error(self: logging.Handler, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, OSError) and isinstance(self, logging.FileHandler):
            raise OSError(error.errno, error.strerror, self.baseFilename) from error
        if not isinstance(error, BrokenPipeError):  # the files of the log go on
            original(self, record)

    original = logging.Handler.handleError
    logging.Handler.handleError = handle_error  # type: ignore[method-assign]
    try:
        yield
    finally:
        logging.Handler.handleError = original  # type: ignore[method-assign]


@contextmanager
def progress_bar(first: str) -> Iterator[ReportProgress]:
    """Show a progress bar on standard error; yield the function that sets its label and the share that is done, 0 to 1."""
    columns = (TextColumn('{task.description}'), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(first, total=1.0)
        yield lambda what, done: progress.update(task, description=what, completed=done)

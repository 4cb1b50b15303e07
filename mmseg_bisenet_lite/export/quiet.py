"""Silences libraries that report their own steps."""

import contextlib
import io
import logging
import threading
import warnings
from collections.abc import Iterator

# Standard output, log levels and filters of warnings belong to the whole process. If two threads silenced them at the same
# time, the second would restore the first one's silence, and the program would stay silent.
_ONE_AT_A_TIME = threading.RLock()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress standard output, warnings, and log messages below an error: advice for developers, progress, versions."""
    with _ONE_AT_A_TIME:
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter('ignore')
                yield
        finally:
            logging.disable(before)

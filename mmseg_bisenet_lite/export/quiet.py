"""Silences libraries that report their own steps."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

from mmseg_bisenet_lite.utils.locks import OUTPUT


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress standard output, warnings, and log messages below an error: advice for developers, progress, versions."""
    with OUTPUT:
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter('ignore')
                yield
        finally:
            logging.disable(before)

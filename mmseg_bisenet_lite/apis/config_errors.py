"""One-line errors for values of a config that MMEngine cannot build anything from."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mmengine

from mmseg_bisenet_lite.utils.errors import InputError, first_line

_ENGINE = str(Path(mmengine.__file__).parent)
_LIBRARIES = tuple({sys.prefix, sys.base_prefix, str(Path(__file__).parents[1])})


@contextmanager
def errors_of_config(file: str) -> Iterator[None]:
    """Turn an error that is raised while a runner or one of its parts is built from a config into a line that names the config.

    Errors in code of the user's own keep their traceback, and so do those of a training under way.

    Args:
        file: The config.
    """
    try:
        yield
    except InputError:
        raise
    except (AssertionError, AttributeError, ImportError, KeyError, NotImplementedError, TypeError, ValueError) as error:
        frames = traceback.extract_tb(error.__traceback__)
        building = [
            number
            for number, frame in enumerate(frames)
            if frame.filename.startswith(_ENGINE) and frame.name.startswith(('from_cfg', 'build'))
        ]
        if not building or not all(frame.filename.startswith(('<', *_LIBRARIES)) for frame in frames[building[0] :]):
            raise
        what = f'{type(error).__name__}: {first_line(error)}'
        raise InputError(f'{file}: nothing can be built from this config and its --cfg-options: {what}') from error

"""InputError: the exception for mistakes in the user's input."""

from collections.abc import Iterator
from contextlib import contextmanager


class InputError(ValueError):
    """A file, key or value that the user gave is wrong.

    The message is one line that names the culprit and says what to do. The tools print it without a traceback. What cannot be
    printed, such as an escape sequence in a name that a file holds, is written as Python would write it.
    """

    def __init__(self, message: object = '') -> None:
        super().__init__(printable(str(message)))

    @property
    def line(self) -> str:
        """The message, without the traceback that a ``DataLoader`` worker wraps around it."""
        return str(self).rsplit(f'{type(self).__name__}: ', 1)[-1].strip()


def printable(text: str) -> str:
    """Return a text with every letter that a terminal cannot print, or would obey, escaped; line ends stay."""
    return ''.join(letter if letter.isprintable() or letter == '\n' else ascii(letter)[1:-1] for letter in text)


def first_line(error: BaseException) -> str:
    """Return the first line of an error that is not a place in a C++ library; the error's type if it has no message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(('Exception from ', 'Check '))]
    return next(iter(telling or lines), type(error).__name__)


def unmapped(label: int, ignore_index: int, where: str = '') -> InputError:
    """Return the error for a label that was not mapped to two classes; ``where`` is the label's file, if known."""
    return InputError(
        f'{where and where + ": "}label {label} is none of 0 (background), 1 (foreground) and {ignore_index} (ignored): '
        'map the labels of the data set to these values; keep_classes=True is for training heads with foreground='
    )


@contextmanager
def as_input_error(what: str, *kinds: type[Exception], raised: type[InputError] = InputError) -> Iterator[None]:
    """Turn errors of these kinds into an :class:`InputError`, or a class of it, of one line that begins with ``what``."""
    try:
        yield
    except kinds as error:
        raise raised(f'{what}: {first_line(error)}') from error

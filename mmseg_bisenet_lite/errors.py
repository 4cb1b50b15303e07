"""The one exception that stands for a mistake in the user's input."""


class InputError(ValueError):
    """A file, key or value that the user gave is wrong.

    The message is one line that names the culprit and says what to do, so the tools print it without a traceback.
    """

    @property
    def line(self) -> str:
        """The message, also when a ``DataLoader`` worker wrapped a whole traceback around it."""
        return str(self).rsplit(f'{type(self).__name__}: ', 1)[-1].strip()

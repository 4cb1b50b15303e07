"""Signals of our programs: Ctrl-C and SIGTERM end them without a traceback, whenever they come."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType


class Terminated(KeyboardInterrupt):
    """The process received SIGTERM."""


def quiet_imports() -> None:
    """End the process at once at Ctrl-C, with status 130, if it is one of our programs.

    The imports take seconds, and an exception in the midst of them leaves a traceback. Processes that only import the package
    are left alone.
    """
    program = Path(sys.argv[0] or '.')
    ours = program.parent.resolve() == (Path(__file__).parents[1] / '.mim' / 'tools').resolve()
    # While Python looks for the module of python -m mmseg_bisenet_lite.doctor, the program is called -m.
    ours = ours or program.name.startswith('bisenet-lite') or sys.argv[0] == '-m'
    if ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise ``KeyboardInterrupt`` at Ctrl-C, and :class:`Terminated` at SIGTERM, where they would end the process."""
    changed = {}
    if threading.current_thread() is threading.main_thread():
        for number, ends, handler in (
            (signal.SIGINT, _end, signal.default_int_handler),
            (signal.SIGTERM, signal.SIG_DFL, _terminate_process(os.getpid())),
        ):
            if signal.getsignal(number) == ends:
                changed[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, before in changed.items():
            signal.signal(number, before)


def _end(number: int, frame: FrameType | None) -> None:
    os.write(2, b'interrupted\n')
    os._exit(128 + number)


def _terminate_process(process: int) -> Callable[[int, FrameType | None], None]:
    def terminate(number: int, frame: FrameType | None) -> None:
        if os.getpid() == process:
            raise Terminated
        signal.signal(number, signal.SIG_DFL)  # a forked worker, which has inherited the handler
        os.kill(os.getpid(), number)

    return terminate

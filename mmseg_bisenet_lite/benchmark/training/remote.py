"""Objects in processes of their own, so that neither side's memory, threads or caches are the other's."""

import multiprocessing
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

import torch

from mmseg_bisenet_lite.utils.errors import InputError, first_line


class Remote:
    """An object that lives in a new process; its methods are called one at a time.

    Args:
        build: Makes it, there; it and the arguments must be picklable.
        *args: Of ``build``.

    Raises:
        InputError: ``build`` raised it, or the process died, for lack of memory say.
    """

    def __init__(self, build: Callable[..., Any], *args: Any) -> None:
        context = multiprocessing.get_context('spawn')
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, build, args))
        self._process.start()
        theirs.close()
        self._answer()

    def call(self, method: str, *args: Any) -> Any:
        """What a method gives; an :class:`InputError` of it is raised here."""
        self._connection.send((method, args))
        return self._answer()

    def _answer(self) -> Any:
        try:
            answer = self._connection.recv()
        except EOFError as error:
            self._process.join()
            raise InputError(
                f'a process of the benchmark died with status {self._process.exitcode}: too little memory?'
            ) from error
        if isinstance(answer, Exception):
            raise answer
        return answer

    def __enter__(self) -> 'Remote':
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._connection.close()  # which ends its loop
        self._process.join(10)
        self._process.kill()


def _serve(connection: Connection, build: Callable[..., Any], args: tuple) -> None:
    try:
        served = build(*args)
        connection.send(None)
        while True:
            method, arguments = connection.recv()
            try:
                answer = getattr(served, method)(*arguments)
            except Exception as error:  # whatever it is, the other side wants to know
                answer = _told(error)
            connection.send(answer)
    except (EOFError, BrokenPipeError, KeyboardInterrupt):  # the other side has gone
        return
    except Exception as error:
        connection.send(_told(error))


def _told(error: Exception) -> Exception:
    """An error that another process can raise: one line for the user's mistakes, or the trace of this process."""
    if isinstance(error, InputError):
        return error
    if isinstance(error, torch.OutOfMemoryError):
        return InputError(f'too little memory on the device: {first_line(error)}; take a smaller --batch or --crop')
    return RuntimeError(''.join(traceback.format_exception(error)))

"""Protection of the stack for signal handlers from libraries that replace it and do not restore it."""

import ctypes
import gc
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Stack(ctypes.Structure):
    """``stack_t`` of Linux's C libraries."""

    _fields_ = (('address', ctypes.c_void_p), ('flags', ctypes.c_int), ('size', ctypes.c_size_t))


@contextmanager
def kept_signal_stack() -> Iterator[None]:
    """Restore, on leaving, the signal stack that the calling thread had on entering.

    On CPUs with AMX, each ``openvino.Core`` that compiles sets a signal stack of its own, and restores its predecessor's when
    it is destroyed. If several cores are not destroyed in reverse order, as with NNCF's, the thread keeps a stack that no
    longer exists. The next signal, such as the end of a child process, then kills the process (seen with OpenVINO 2026.4, NNCF
    3.4).

    Source: https://github.com/openvinotoolkit/openvino/pull/11894
    """
    if not sys.platform.startswith('linux'):
        yield
        return
    library = ctypes.CDLL(None)
    stack = _Stack()
    library.sigaltstack(None, ctypes.byref(stack))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    try:
        yield
    finally:
        gc.collect()  # destroy unreachable cores now, before the stack is restored
        library.sigaltstack(ctypes.byref(stack), None)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

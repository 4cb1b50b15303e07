"""The stack that signals are handled on, kept safe from libraries that set it and forget it."""

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Stack(ctypes.Structure):
    """``stack_t`` of Linux's C libraries."""

    _fields_ = (('address', ctypes.c_void_p), ('flags', ctypes.c_int), ('size', ctypes.c_size_t))


@contextmanager
def kept_signal_stack() -> Iterator[None]:
    """Give the calling thread, on leaving, the signal stack back that it has on entering.

    On CPUs with AMX each ``openvino.Core`` that compiles sets a stack of its own, and puts its predecessor's back when it goes.
    Of several that do not go in the reverse order of their coming, NNCF's for example, the thread keeps one that is no longer
    there, and the next signal, that a child has ended for example, kills the process (seen with OpenVINO 2026.4, NNCF 3.4).

    Source: https://github.com/openvinotoolkit/openvino/pull/11894
    """
    if not sys.platform.startswith('linux'):
        yield
        return
    library = ctypes.CDLL(None)
    stack = _Stack()
    library.sigaltstack(None, ctypes.byref(stack))
    try:
        yield
    finally:
        gc.collect()  # those that wait for it would come too late
        library.sigaltstack(ctypes.byref(stack), None)

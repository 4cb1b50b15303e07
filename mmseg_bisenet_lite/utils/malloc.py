"""Memory that is freed stays with the process, as on GPUs, where PyTorch's own allocator keeps it."""

import ctypes
import platform

# Source: mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def can_keep() -> bool:
    """Whether there is a malloc that :func:`keep_memory` can tell: glibc's, so on most Linux systems."""
    return platform.libc_ver()[0] == 'glibc'


def keep_memory() -> bool:
    """Tell glibc's malloc to keep freed memory for later, in the whole process and for as long as it runs.

    Otherwise each map of over 32 MB is given back to the system when it is freed, and the next one comes as fresh pages, which
    the kernel has to zero: at 1024x1024 that is up to a half of the time that a network takes on a CPU. The price is that the
    process stays as large as it ever was.

    Returns:
        Whether it did: ``False`` without glibc.
    """
    if not can_keep():
        return False
    libc = ctypes.CDLL(None)
    # No block comes from mmap, whose blocks would go back at once; and the heap is never trimmed.
    return bool(libc.mallopt(_M_MMAP_MAX, 0) and libc.mallopt(_M_TRIM_THRESHOLD, -1))

"""Keep freed memory in the process, as PyTorch's allocator does on GPUs."""

import ctypes
import platform

# Source: mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def can_keep() -> bool:
    """Whether :func:`keep_memory` works here: the C library is glibc, as on most Linux systems."""
    return platform.libc_ver()[0] == 'glibc'


def keep_memory() -> bool:
    """Make glibc's malloc keep freed memory for later use, in the whole process and for as long as it runs.

    By default glibc returns each block of over 32 MB to the system when it is freed. The next feature map then gets fresh
    pages, which the kernel has to zero: at 1024x1024 this takes up to half of a network's time on a CPU. The price is that the
    process never shrinks.

    Returns:
        Whether malloc keeps the memory now: ``False`` without glibc.
    """
    if not can_keep():
        return False
    libc = ctypes.CDLL(None)
    # Use no mmap, since its blocks are returned at once, and never trim the heap.
    return bool(libc.mallopt(_M_MMAP_MAX, 0) and libc.mallopt(_M_TRIM_THRESHOLD, -1))

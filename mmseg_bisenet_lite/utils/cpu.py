"""The CPU: the instructions that decide how it computes in 8 bits, and its cores."""

import os
import platform
from contextlib import suppress
from pathlib import Path

# As Linux lists them. CPUs with one of the last five add products of 8 bits exactly; older x86 CPUs saturate.
INSTRUCTIONS = ('avx2', 'avx512f', 'avx_vnni', 'avx512_vnni', 'amx_int8', 'asimddp', 'i8mm')


def cpu_features(cpuinfo: Path = Path('/proc/cpuinfo')) -> str:
    """Return the kind of CPU and its instructions for numbers of 8 bits, such as ``'x86_64 avx2 avx512f avx512_vnni'``.

    Args:
        cpuinfo: Where Linux describes its CPUs; on other systems only the kind of CPU is known.
    """
    flags: set[str] = set()
    with suppress(OSError):
        for line in cpuinfo.read_text().splitlines():
            key, _, values = line.partition(':')
            if key.strip() in ('flags', 'Features'):  # x86, ARM
                flags = set(values.split())
                break
    return ' '.join([platform.machine(), *(name for name in INSTRUCTIONS if name in flags)])


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1

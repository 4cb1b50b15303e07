import subprocess
import sys

import pytest

from mmseg_bisenet_lite.utils.malloc import can_keep, keep_memory

CODE = """
import re, sys
from pathlib import Path
import numpy as np
if sys.argv[1] == 'keep':
    from mmseg_bisenet_lite.utils.malloc import keep_memory
    assert keep_memory()
def resident():
    return int(re.search(r'VmRSS:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) // 1024
before = resident()
np.ones(64 << 20, dtype=np.uint8)
print(resident() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not can_keep(), reason="keeping memory is glibc's")
def test_freed_memory_stays_only_if_told():
    def megabytes_left(how):
        command = [sys.executable, '-c', CODE, how]
        return int(
            subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]
        )  # a host may print too

    assert megabytes_left('keep') >= 60
    assert megabytes_left('leave') < 10


def test_another_malloc_is_left_alone(monkeypatch):
    monkeypatch.setattr('platform.libc_ver', lambda: ('musl', '1'))
    assert not keep_memory()

import ctypes
import subprocess
import sys

import pytest

from mmseg_bisenet_lite.utils.signal_stack import _Stack, kept_signal_stack

pytestmark = pytest.mark.skipif(not sys.platform.startswith('linux'), reason='signal stacks are set so on Linux')


def current():
    stack = _Stack()
    assert ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack)) == 0
    return stack.address, stack.flags, stack.size


def test_the_stack_is_given_back():
    before = current()
    memory = ctypes.create_string_buffer(1 << 17)
    with kept_signal_stack():
        other = _Stack(ctypes.addressof(memory), 0, len(memory))
        assert ctypes.CDLL(None).sigaltstack(ctypes.byref(other), None) == 0
        assert current() != before
    assert current() == before


def test_a_process_survives_a_child_that_ends_while_the_stack_is_gone():
    """And hears of its end; without the context this ends by a segmentation fault.

    It may hear early: a thread of NumPy's or Torch's, which blocks nothing, takes the signal then, on its own stack.
    """
    code = (
        'import ctypes, mmap, signal, subprocess\n'
        'from mmseg_bisenet_lite.utils.signal_stack import _Stack, kept_signal_stack\n'
        'ends = []\n'
        'signal.signal(signal.SIGCHLD, lambda *_: ends.append(1))\n'
        'memory = mmap.mmap(-1, 1 << 17)\n'
        'address = ctypes.addressof(ctypes.c_char.from_buffer(memory))\n'
        'with kept_signal_stack():\n'
        '    gone = _Stack(address, 0, 1 << 17)\n'
        '    assert ctypes.CDLL(None).sigaltstack(ctypes.byref(gone), None) == 0\n'
        '    ctypes.CDLL(None).mprotect(ctypes.c_void_p(address), 1 << 17, 0)\n'
        '    subprocess.run(["true"], check=True)\n'
        'print("alive", len(ends))\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.stdout.split()[-2:] == ['alive', '1'], (done.returncode, done.stderr)


@pytest.mark.slow
def test_a_process_survives_several_cores_and_a_child():
    """On CPUs with AMX this ends by a segmentation fault without ``kept_signal_stack``."""
    code = (
        'import signal, subprocess, openvino\n'
        'from openvino import opset13\n'
        'from mmseg_bisenet_lite.utils.signal_stack import kept_signal_stack\n'
        'signal.signal(signal.SIGCHLD, lambda *_: None)\n'
        'with kept_signal_stack():\n'
        '    image = opset13.parameter([1, 8], openvino.Type.f32)\n'
        '    model = openvino.Model([opset13.relu(image)], [image])\n'
        '    compiled = [openvino.Core().compile_model(model, "CPU") for _ in range(3)]\n'
        '    while compiled: del compiled[0]\n'
        'subprocess.run(["true"], check=True); print("alive")\n'
    )
    done = subprocess.run([sys.executable, '-X', 'faulthandler', '-c', code], capture_output=True, text=True)
    assert done.stdout.split()[-1:] == ['alive'], done.returncode  # onedl prints a line before it

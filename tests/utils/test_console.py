"""How a program ends; each in a process of its own, which has only this package's light modules."""

import signal
import subprocess
import sys
import time

import pytest

# one_line_errors without the package, whose import takes seconds.
HEAD = """
import importlib.machinery, os, signal, sys, time, types
sys.modules['mmseg_bisenet_lite'] = package = types.ModuleType('mmseg_bisenet_lite')
package.__path__ = [sys.argv.pop(1)]
from mmseg_bisenet_lite.utils.interrupts import quiet_imports
sys.argv[0] = 'bisenet-lite train'
quiet_imports()
from mmseg_bisenet_lite.utils.console import one_line_errors
"""


@pytest.fixture
def program(root):
    def start(body):
        command = [sys.executable, '-c', HEAD + body, str(root / 'mmseg_bisenet_lite')]
        pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        return subprocess.Popen(command, **pipes, restore_signals=True)

    return start


def end(process, number=None):
    if number is not None:
        assert process.stdout.readline() == 'ready\n'
        time.sleep(0.05)
        process.send_signal(number)
    errors = process.communicate(timeout=60)[1]
    return process.returncode, errors


@pytest.mark.parametrize(
    ('number', 'line'),
    [(signal.SIGINT, (130, 'bisenet-lite train: interrupted\n')), (signal.SIGTERM, (143, 'bisenet-lite train: terminated\n'))],
)
def test_a_signal_ends_a_program_with_one_line(program, number, line):
    assert end(program("with one_line_errors():\n    print('ready', flush=True)\n    time.sleep(60)"), number) == line


def test_ctrl_c_during_imports_ends_a_program_with_one_line(program):
    # an import that takes whatever exception comes for its own
    body = "try:\n    print('ready', flush=True)\n    time.sleep(60)\nexcept BaseException:\n    pass"
    assert end(program(body), signal.SIGINT) == (130, 'interrupted\n')


def test_a_process_that_only_imports_the_package_is_left_alone(program):
    body = "signal.signal(signal.SIGINT, signal.default_int_handler)\nsys.argv[0] = 'mine.py'\nquiet_imports()\n"
    body += 'print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)'
    process = program(body)
    assert process.communicate()[0] == 'True\n'


@pytest.mark.parametrize('body', ['print(1)', "print('x' * 10**6)", 'print(1, flush=True)', "print(1)\n    sys.exit('told')"])
def test_a_closed_pipe_leaves_no_traceback(program, body):
    process = program(f'sys.stdin.read(0)\nwith one_line_errors():\n    time.sleep(0.3)\n    {body}')
    process.stdout.close()
    process.wait(timeout=60)
    assert process.returncode == 141
    assert process.stderr.read() == ''


def test_a_program_without_standard_output_leaves_no_traceback(program):
    assert end(program('sys.stdout = None\nwith one_line_errors():\n    print(1)')) == (0, '')


def test_a_pipe_of_another_process_is_not_taken_for_standard_output(program):
    status, errors = end(program('with one_line_errors():\n    raise BrokenPipeError(32, "Broken pipe")'))
    assert status == 1
    assert 'BrokenPipeError' in errors


def test_a_full_disk_below_a_log_ends_the_program(program):
    body = """
import logging
with one_line_errors():
    logging.getLogger().addHandler(logging.FileHandler('/dev/full'))
    logging.warning('a')
"""
    assert end(program(body)) == (1, "bisenet-lite train: error: [Errno 28] No space left on device: '/dev/full'\n")


def test_a_log_on_a_closed_pipe_leaves_no_traceback(program):
    body = 'import logging\nlogging.basicConfig(stream=sys.stdout)\nwith one_line_errors():\n    time.sleep(0.3)\n'
    process = program(body + "    logging.warning('a')\n    os._exit(7)")
    process.stdout.close()
    process.wait(timeout=60)
    assert (process.returncode, process.stderr.read()) == (7, '')


def test_a_worker_ends_at_sigterm_without_a_word(program):
    body = """
with one_line_errors():
    child = os.fork()
    if not child:
        time.sleep(60)
    time.sleep(0.2)
    os.kill(child, signal.SIGTERM)
    sys.exit(os.waitpid(child, 0)[1])
"""
    assert end(program(body)) == (signal.SIGTERM, '')

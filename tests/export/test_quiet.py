import logging
import sys
import threading
import warnings

from mmseg_bisenet_lite.export.quiet import quiet


def test_threads_do_not_leave_the_program_silent():
    before = sys.stdout, logging.root.manager.disable, list(warnings.filters)
    barrier = threading.Barrier(8)

    def work():
        barrier.wait()
        for _ in range(50):
            with quiet(), quiet():
                print('swallowed')

    threads = [threading.Thread(target=work) for _ in range(8)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert (sys.stdout, logging.root.manager.disable, list(warnings.filters)) == before

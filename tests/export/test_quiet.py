import logging
import sys
import threading
import warnings

from mmseg_bisenet_lite.export.quiet import quiet


def test_threads_do_not_leave_the_program_silent():
    """The second comes while the first is silent, and leaves after it."""
    before = sys.stdout, logging.root.manager.disable, list(warnings.filters)
    second_is_in, first_has_left = threading.Event(), threading.Event()

    def second():
        with quiet():
            second_is_in.set()
            first_has_left.wait(10)

    thread = threading.Thread(target=second)
    with quiet():
        with quiet():  # the same thread may nest them
            thread.start()
        second_is_in.wait(0.3)
    first_has_left.set()
    thread.join()
    assert (sys.stdout, logging.root.manager.disable, list(warnings.filters)) == before

"""Threads that read ahead and write behind: in order, bounded, and gone at the end, however it ends."""

import threading
import time
from functools import partial

import pytest

from mmseg_bisenet_lite.deploy.predict.threads import WriteBehind, read_ahead

pytestmark = pytest.mark.usefixtures('no_thread_is_left')


def late(number):
    time.sleep(0.003 * (number % 3))
    return number


def test_reading_is_in_order_and_at_most_so_far_ahead():
    started = []

    def tasks():
        for number in range(20):
            started.append(number)
            yield partial(late, number)

    for place, number in enumerate(read_ahead(tasks(), 4, 5)):
        assert number == place
        assert len(started) <= place + 5


def test_tasks_run_at_the_same_time():
    barrier = threading.Barrier(3)
    tasks = [partial(barrier.wait, 10)] * 3
    assert sorted(read_ahead(tasks, 3, 3)) == [0, 1, 2]


def test_one_thread_reads_one_task_after_the_other():
    running, most = [], []

    def task():
        running.append(1)
        most.append(len(running))
        time.sleep(0.001)
        running.pop()

    list(read_ahead([task] * 8, 1, 4))
    assert set(most) == {1}


def test_an_error_of_a_reader_comes_in_its_place():
    def fail():
        raise RuntimeError('broken')

    read = read_ahead([partial(late, 0), partial(late, 1), fail, partial(late, 3)], 2, 4)
    assert [next(read), next(read)] == [0, 1]
    with pytest.raises(RuntimeError, match='broken'):
        next(read)


def test_who_stops_early_starts_nothing_more():
    started = []
    read = read_ahead((partial(started.append, number) for number in range(100)), 1, 4)
    next(read)
    read.close()
    assert len(started) <= 5


def test_writing_waits_for_room_and_ends_when_all_is_written():
    written, gate = [], threading.Event()

    def write(number):
        gate.wait(10)
        written.append(number)

    opens = threading.Timer(0.05, gate.set)
    with WriteBehind(write, 1, 3) as writing:
        for number in range(3):
            writing.put(number)
        assert written == []
        opens.start()
        writing.put(3)  # waits for the first
        assert written
    assert written == [0, 1, 2, 3]
    opens.join()


@pytest.mark.parametrize('where', ['put', 'flush', 'end'])
def test_an_error_of_a_writer_is_raised_and_nothing_more_is_written(where):
    written = []

    def write(number):
        if number == 1:
            raise OSError(28, 'No space left on device')
        time.sleep(0.002)
        written.append(number)

    def run():
        with WriteBehind(write, 1, 4) as writing:
            for number in range(100 if where == 'put' else 3):
                writing.put(number)
            if where == 'flush':
                writing.flush()

    with pytest.raises(OSError, match='No space left'):
        run()
    assert written == [0]


def test_after_ctrl_c_what_was_put_is_written():
    written = []

    def write(number):
        time.sleep(0.005)
        written.append(number)

    def run():
        with WriteBehind(write, 2, 10) as writing:
            for number in range(6):
                writing.put(number)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert sorted(written) == list(range(6))

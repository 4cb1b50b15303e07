"""Threads around the network: they read ahead of it and write behind it, a bounded number of frames."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar('T')


def read_ahead(tasks: Iterable[Callable[[], T]], threads: int, ahead: int) -> Generator[T, None, None]:
    """Yield what the tasks return, in order, while threads run the next ones; one thread runs them one after the other.

    Args:
        tasks: Taken in this thread, when there is room.
        threads: Number of threads.
        ahead: Number of tasks that are started and not yet yielded.

    Raises:
        Exception: A task's error, in its place. However this ends, no thread is left.
    """
    pending: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads, 'read') as pool:
        try:
            for task in tasks:
                pending.append(pool.submit(task))
                if len(pending) >= ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


class WriteBehind(Generic[T]):
    """Runs a function on one item after another in threads; with one thread in order.

    As a context, it ends when all is written, after Ctrl-C and an error of the reader or the network too: what the network has
    done is kept. After an error of the function nothing more is started.

    Args:
        write: The function.
        threads: Number of threads.
        behind: Number of items that wait or are being written at most; then :meth:`put` waits.
    """

    def __init__(self, write: Callable[[T], None], threads: int, behind: int) -> None:
        self._write = write
        self._behind = behind
        self._broken = False  # by an error of the function that nobody may have seen yet
        self._pending: deque[Future[None]] = deque()
        self._pool = ThreadPoolExecutor(threads, 'write')

    def put(self, item: T) -> None:
        """Write an item soon.

        Raises:
            Exception: Writing an earlier item failed.
        """
        while self._pending and (len(self._pending) >= self._behind or self._pending[0].done()):
            self._finish_first()
        self._pending.append(self._pool.submit(self._write_one, item))

    def flush(self) -> None:
        """Wait until all is written.

        Raises:
            Exception: Writing an item failed.
        """
        while self._pending:
            self._finish_first()

    def _write_one(self, item: T) -> None:
        if not self._broken:
            try:
                self._write(item)
            except BaseException:
                self._broken = True
                raise

    def _finish_first(self) -> None:
        try:
            self._pending[0].result()
        except Exception:  # of the function, whatever it raises
            while self._pending:
                self._pending.popleft().cancel()
            raise
        self._pending.popleft()

    def __enter__(self) -> 'WriteBehind[T]':
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self.flush()
        finally:
            self._pool.shutdown()

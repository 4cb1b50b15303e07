"""Predict on a cluster: Ray Data maps shards of the files over workers, each of which loads the network once.

A shard is what ``--shard I/N`` takes. So a worker reads, segments, writes and skips as a run on one machine does, outputs have
the same names, and an interrupted run goes on from where it was if it is started again with the same number of shards. All
machines must see the files and the outputs under the same paths, and have the package installed.
"""

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any

from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.library import require

FILES = 1000  # in a shard at most, so that a dead worker loses little and the last one does not keep the others waiting


@dataclass
class ShardResult:
    """What became of a shard.

    Attributes:
        shard: Its number, from 1.
        done: Number of frames that have a mask.
        skipped: Number of frames whose outputs were there already.
        failures: What failed, each in one line that names the file.
    """

    shard: int
    done: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)


# Runs shard I of N; its worker calls it again and again.
RunShard = Callable[[int, int], ShardResult]


def shards_of(files: int, workers: int) -> int:
    """Return the number of shards for a number of files: enough for all workers, and of at most ``FILES`` files each."""
    return min(files, max(workers, -(-files // FILES)))


def run_shards(
    load: Callable[[], RunShard],
    shards: int,
    workers: int,
    address: str | None = None,
    cpus: float = 1,
    gpus: float = 0,
    show: Callable[[ShardResult], None] = lambda result: None,
) -> list[ShardResult]:
    """Run all shards on Ray's workers.

    Args:
        load: Loads the network, once in each worker, and returns what runs a shard with it. Ray's ``cloudpickle`` sends it, so
            it may be a closure.
        shards: Number of shards.
        workers: Number of workers.
        address: Address of a cluster, such as ``'auto'`` or ``'ray://head:10001'``; ``None`` starts Ray on this machine, and
            stops it again. A cluster that this process has joined already is used as it is.
        cpus: CPUs of a worker.
        gpus: GPUs of a worker; parts of one, such as 0.5, are possible.
        show: Called with each result as it comes.

    Returns:
        The results, by the number of the shard. An error of the user in a shard is a failure of it, and the others go on.

    Raises:
        InputError: Ray is missing, there is no such cluster, or a worker died again and again.
    """
    # Ray tells its makers about each start unless told not to.
    os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')
    ray, data = require('ray', 'ray[data]'), require('ray.data', 'ray[data]')
    logging.getLogger('ray.data').setLevel(logging.ERROR)  # it tells each plan
    results = []
    with ExitStack() as stack:
        if not ray.is_initialized():
            _start(ray, address, workers, cpus, gpus)
            stack.callback(ray.shutdown)
        data.DataContext.get_current().enable_progress_bars = False
        rows = data.from_items([{'shard': number + 1} for number in range(shards)], override_num_blocks=shards).map_batches(
            _Worker,
            fn_constructor_kwargs=dict(load=load, shards=shards, folder=os.getcwd()),  # noqa: PTH109  it is sent as text
            batch_size=1,
            compute=data.ActorPoolStrategy(size=min(workers, shards)),
            num_cpus=cpus,
            num_gpus=gpus,
        )
        try:
            for row in rows.iter_rows():
                result = ShardResult(**row['result'])
                result.failures = [*map(str, result.failures)]  # Arrow may have made an array of them
                results.append(result)
                show(result)
        except ray.exceptions.RayError as error:
            lines = [line for line in str(error).strip().splitlines() if line.strip()]
            raise InputError(f'--ray: a worker died: {lines[-1].strip()}; run again to go on') from error
    return sorted(results, key=lambda result: result.shard)


def check(results: Sequence[ShardResult], most: int = 8) -> None:
    """Raise an :class:`InputError` if something failed; it names the first ``most`` failures."""
    failures = list(dict.fromkeys(line for result in results for line in result.failures))
    if failures:
        more = f'; and {len(failures) - most} more' if len(failures) > most else ''
        raise InputError(f'{len(failures)} failed: {"; ".join(failures[:most])}{more}')


def _start(ray: Any, address: str | None, workers: int, cpus: float, gpus: float) -> None:
    """Join a cluster, or start one on this machine with as many CPUs and GPUs as the workers need."""
    if address is not None:
        try:
            ray.init(address=address, logging_level='ERROR', log_to_driver=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise InputError(f'--ray {address}: there is no such cluster ({str(error).strip().splitlines()[0]})') from error
        return
    needed = dict(num_cpus=max(1, -(-int(workers * cpus * 1000) // 1000)), num_gpus=-(-int(workers * gpus * 1000) // 1000))
    ray.init(address='local', include_dashboard=False, logging_level='ERROR', log_to_driver=False, **needed)


class _Worker:
    """One worker of Ray: loads the network for its first shard, and keeps it."""

    def __init__(self, load: Callable[[], RunShard], shards: int, folder: str) -> None:
        os.chdir(folder)  # where the user's relative paths begin
        self._load, self._shards = load, shards
        self._run: RunShard | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
        return {'result': [asdict(self._result(int(number))) for number in batch['shard']]}

    def _result(self, number: int) -> ShardResult:
        try:
            if self._run is None:
                self._run = self._load()
            return self._run(number, self._shards)
        except InputError as error:
            return ShardResult(number, failures=[error.line])

"""Fixes for the data of a training: where a resumed run goes on, and where an epoch ends."""

import itertools
from collections.abc import Callable
from typing import Any

from mmseg_bisenet_lite.compat.fixes import fix
from mmseg_bisenet_lite.utils.errors import InputError


@fix(
    'resume-data',
    broken=(
        'a resumed run of mmengine 0.10.7 loads every batch that it has seen and throws it away; on both '
        'hosts the data may come in the order of a new seed. The fix is for infinite samplers'
    ),
    versions='mmengine 0.10.7; the seed also on onedl-mmengine 0.10.12',
    delete_when='mmengine advances the sampler and takes its seed from the checkpoint',
)
def _resume_without_replay() -> bool:
    from mmengine.runner import Runner, loops

    resume = Runner.resume

    def resume_with_seed(self: Any, *args: Any, **kwargs: Any) -> None:
        begun_with = self.seed
        resume(self, *args, **kwargs)
        sampler = self.train_loop.dataloader.sampler
        # The sampler's seed is not the run's with diff_rank_seed, or if the config gives the sampler its own seed.
        seed = self.message_hub.get_info('sampler_seed', self.seed if getattr(sampler, 'seed', None) == begun_with else None)
        if seed is not None and hasattr(sampler, 'seed'):
            sampler.seed = seed
            if hasattr(sampler, '_indices_of_rank'):
                sampler.indices = sampler._indices_of_rank()

    def recording_the_seed(run: Callable) -> Callable:
        def run_with_seed(self: Any) -> Any:
            seed = getattr(self.dataloader.sampler, 'seed', None)
            if isinstance(seed, int):
                self.runner.message_hub.update_info('sampler_seed', seed)  # checkpoints hold this
            return run(self)

        return run_with_seed

    Runner.resume = resume_with_seed
    for loop in (loops.IterBasedTrainLoop, loops.EpochBasedTrainLoop):
        loop.run = recording_the_seed(loop.run)
    if not hasattr(loops._InfiniteDataloaderIterator, 'skip_iter'):  # onedl's iterator continues where the run ended
        _skip_seen_batches(loops)
    return True


def _skip_seen_batches(loops: Any) -> None:
    from mmengine.dataset import InfiniteSampler

    class LateIterator(loops._InfiniteDataloaderIterator):
        """Start the workers when the first batch is asked for; count seen batches without loading them."""

        def __init__(self, dataloader: Any) -> None:
            self._dataloader, self._iterator, self._epoch, self.seen = dataloader, None, 0, 0

        def __next__(self) -> Any:
            if self.seen:
                self.seen -= 1
                return None
            if self._iterator is None:
                self._iterator = iter(self._dataloader)
            return super().__next__()

    run = loops.IterBasedTrainLoop.run

    def run_from_there(self: Any) -> Any:
        sampler, batch_size = self.dataloader.sampler, self.dataloader.batch_size
        if self._iter and batch_size and (hasattr(sampler, 'skip') or isinstance(sampler, InfiniteSampler)):
            seen = self._iter * batch_size
            if hasattr(sampler, 'skip'):
                sampler.skip(seen)
            else:
                next(itertools.islice(sampler.indices, seen, seen), None)
            self.dataloader_iterator.seen = self._iter
        return run(self)

    loops._InfiniteDataloaderIterator = LateIterator
    loops.IterBasedTrainLoop.run = run_from_there


@fix(
    'epochs',
    broken=(
        'with an infinite sampler the first epoch of EpochBasedTrainLoop never ends, and a run that is resumed within an '
        'epoch begins this epoch anew. The fix is for SeededInfiniteSampler; InfiniteSampler is refused'
    ),
    versions='mmengine 0.10.7; onedl-mmengine 0.10.12',
    delete_when='mmengine ends an epoch after len(dataloader) batches, and resumes within an epoch',
)
def _end_epochs() -> bool:
    from mmengine.dataset import InfiniteSampler
    from mmengine.runner import loops

    run_epoch = loops.EpochBasedTrainLoop.run_epoch

    def run_one_pass(self: Any) -> None:
        sampler = getattr(self.dataloader.batch_sampler, 'sampler', self.dataloader.sampler)
        if isinstance(sampler, InfiniteSampler):
            raise InputError(
                'train_dataloader.sampler: an epoch of InfiniteSampler never ends; set '
                'train_dataloader.sampler.type=SeededInfiniteSampler, or train by iterations'
            )
        batches = len(self.dataloader)
        if not batches:
            raise InputError('train_dataloader: drop_last leaves an epoch without a batch; use a smaller batch_size')
        if hasattr(sampler, 'only_pass'):
            seen = self._iter - self._epoch * batches  # above 0 after resuming within an epoch
            batch_size = self.dataloader.batch_size or getattr(self.dataloader.batch_sampler, 'batch_size', 0)
            sampler.only_pass(self._epoch, skipped=seen * batch_size if 0 < seen <= batches else 0)
        run_epoch(self)

    loops.EpochBasedTrainLoop.run_epoch = run_one_pass
    return True

"""Fixes for the data of a training: where a resumed run goes on, and where an epoch ends."""

import itertools
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmseg_bisenet_lite.compat.checkpoints import check_finite
from mmseg_bisenet_lite.compat.fixes import fix
from mmseg_bisenet_lite.utils.errors import InputError

# The names that CheckpointHook gives its checkpoints by itself.
NAMES = r'(?:iter|epoch)_(\d+)\.pth'


def saved_checkpoints(folder: Path, last: str = '', names: str = NAMES) -> list[Path]:
    """Return the checkpoints of a training, those of the last iterations first.

    Args:
        folder: The folder of the checkpoints.
        last: Name of the last file that the training says it saved. Files of higher numbers that are older come last, since an
            earlier training left them.
        names: Pattern of the names, with the number of iterations or epochs as its group.
    """
    matches = {file: re.fullmatch(names, file.name) for file in folder.glob('*') if file.is_file()}
    found = {file: int(match[match.lastindex or 1]) for file, match in matches.items() if match}
    saved = folder / last
    foreign = {
        file
        for file in found
        if saved in found and found[file] > found[saved] and file.stat().st_mtime_ns < saved.stat().st_mtime_ns
    }
    return sorted(found, key=lambda file: (file not in foreign, found[file]), reverse=True)


def where_saved(work_dir: Path, out_dir: str | None, filename_tmpl: str | None) -> tuple[Path, str]:
    """Return the folder of the checkpoints of a training, and the pattern of their names, as for :func:`saved_checkpoints`.

    Args:
        work_dir: The training's work dir.
        out_dir: The argument of its CheckpointHook. What is not on this machine is not looked through: then it is the work dir.
        filename_tmpl: The same.
    """
    work_dir = Path(os.path.abspath(work_dir))  # noqa: PTH100  as the runner has it; resolve() would follow links
    here = out_dir is None or '://' in out_dir or out_dir == str(work_dir)  # as text, as CheckpointHook compares them
    folder = work_dir if out_dir is None or here else Path(out_dir) / work_dir.name
    return folder, NAMES if filename_tmpl is None else f'(?:{_pattern(filename_tmpl)}|{NAMES})'


def sampler_of(loader: Any) -> Any:
    """Return the sampler that chooses a loader's samples; a batch sampler has one of its own."""
    return getattr(loader.batch_sampler, 'sampler', loader.sampler)


@fix(
    'resume-newest',
    broken=(
        '--resume trusts the file last_checkpoint: if it is missing, the training begins again without a word; if the '
        'checkpoint that it names is damaged, the training ends, although the one before is whole'
    ),
    versions='mmengine 0.10.7; onedl-mmengine 0.10.12',
    delete_when='mmengine resumes from the newest checkpoint in the work dir that loads',
)
def _resume_from_newest() -> bool:
    from mmengine.runner import Runner

    load_or_resume = Runner.load_or_resume

    def load_or_resume_newest(self: Any) -> None:
        if self._resume and self._load_from is None and not self._has_loaded:
            self._load_from = _newest_that_loads(self)  # from where load_or_resume resumes
            if self._load_from is None:
                self.logger.info(f'{self.work_dir} holds no checkpoint to resume from: the training starts at the beginning')
                return
        load_or_resume(self)

    Runner.load_or_resume = load_or_resume_newest
    return True


def _newest_that_loads(runner: Any) -> str | None:
    """Return the newest checkpoint of the runner's work dir that can be resumed; ``None`` if there are no checkpoints.

    Raises:
        InputError: There are checkpoints, but none can be resumed.
    """
    from mmengine.hooks import CheckpointHook

    work_dir = Path(runner.work_dir)
    folder, names, note = work_dir, NAMES, work_dir / 'last_checkpoint'
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook):
            folder, names = where_saved(work_dir, hook.out_dir, hook.filename_tmpl)
    last = Path(note.read_text(encoding='utf-8', errors='replace').strip()).name if note.is_file() else ''
    problems: list[str] = []
    for file in saved_checkpoints(folder, last, names):
        problem = _why_not_resumed(file)
        if problem is None:
            for text in problems:
                runner.logger.warning(f'{text}; passed over, the training resumes from {file.name}')
            return str(file)
        problems.append(problem)
    if problems:
        raise InputError(f'--resume: no checkpoint can be resumed: {"; ".join(problems)}; delete them to start anew')
    return None


def _pattern(template: str) -> str:
    return re.sub(r'\\\{.*?\\\}', r'(\\d+)', re.escape(template))


def _why_not_resumed(file: Path) -> str | None:
    from mmengine.runner.checkpoint import _load_checkpoint

    try:
        checkpoint = _load_checkpoint(str(file), map_location='cpu')
        meta = checkpoint.get('meta')
        if not isinstance(meta, dict) or not all(type(meta.get(key)) is int for key in ('iter', 'epoch')):
            return f'{file}: does not say at which iteration it was saved'
        if not all(isinstance(checkpoint.get(key), dict) for key in ('state_dict', 'message_hub')):
            return f'{file}: holds weights only, or none'
        check_finite(checkpoint['state_dict'], str(file))
    except InputError as error:
        return error.line
    return None


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
        sampler = sampler_of(self.dataloader)
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

"""LabelCheckHook: look through the label maps of train and val before a wrong one costs hours."""

import time
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.hooks.hook import DATA_BATCH
from mmengine.runner import Runner
from mmseg.models.decode_heads import STDCHead
from mmseg.registry import HOOKS

from mmseg_bisenet_lite.datasets.binary import BinarySegDataset
from mmseg_bisenet_lite.datasets.label_check import LabelCheck, require_agreement
from mmseg_bisenet_lite.datasets.label_maps import inner_datasets
from mmseg_bisenet_lite.models.binary_hinge_head import BinaryHingeHead
from mmseg_bisenet_lite.models.decision import heads_of
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.heads import MAIN, unwrapped


def require_fitting_heads(model: Any, dataset: BinarySegDataset) -> None:
    """Raise an error if the heads of a segmentor do not take the classes of a data set's samples for what they are.

    Raises:
        InputError: A head has a foreground of its own, but the data set does not keep its classes; or it does, and a
            ``BinaryHingeHead`` has no foreground or one that does not exist, the main head has another foreground than the data
            set, or another head has another number of classes.
    """
    names = dataset.kept_classes
    listed = ', '.join(f'{number} {name}' for number, name in enumerate(names))
    for name, head in heads_of(model).items():
        if isinstance(head, STDCHead):
            continue  # its two classes are edges and the rest, which it finds in any labels
        foreground = getattr(head, 'foreground', None)
        if not dataset.keep_classes:
            if foreground:
                raise InputError(f'{name}.foreground={foreground!r}: the labels are 0 and 1; set keep_classes=True for train')
            continue
        if not isinstance(head, BinaryHingeHead):
            if head.num_classes != len(names):
                raise InputError(f'{name}.num_classes={head.num_classes}: keep_classes=True keeps {len(names)}: {listed}')
            continue
        if not foreground or max(foreground) >= len(names):
            raise InputError(f'{name}.foreground={foreground!r}: with keep_classes=True give numbers of these: {listed}')
        found = {names[each] for each in foreground}
        if name == MAIN and found != set(dataset.foreground):
            raise InputError(
                f'decode_head.foreground={foreground!r} is {", ".join(sorted(found))}, but the foreground of the train set is '
                f'{", ".join(dataset.foreground)}; the classes are {listed}'
            )


@HOOKS.register_module()
class LabelCheckHook(Hook):
    """Read each label map of train and val once, and stop the training at a wrong one; see :class:`LabelCheck`.

    The check begins before the first iteration. What it does not reach within ``seconds`` it does between iterations, in a
    small share of their time, and the rest before the first validation, which waits for it. So a data set of some hundred label
    maps is checked before the training starts, and with a larger one the training is delayed by that share, and only a first
    validation that comes early by more. Of several processes the first one checks, and the others wait for it in that
    validation, at most for the time of ``env_cfg.dist_cfg.timeout``: give a very large data set more ``seconds``.

    Args:
        seconds: Time for the check before the first iteration, at least 0.
        share: Share of the training's time for the check, above 0 and below 1.

    Raises:
        InputError: A label map is missing, damaged, of another size than its photograph, or has an unknown value; a set has no
            pixel of one of two classes; the masks of train and val do not mean the same; the heads of the network do not fit
            the classes of train, or val keeps classes; or an argument is out of range.
    """

    def __init__(self, seconds: float = 10.0, share: float = 0.05) -> None:
        if not 0 <= seconds < float('inf'):
            raise InputError(f'LabelCheckHook: seconds={seconds!r}: give a number of at least 0')
        if not 0 < share < 1:
            raise InputError(f'LabelCheckHook: share={share!r}: give a number above 0 and below 1')
        self.seconds, self.share = seconds, share
        self._checks: list[LabelCheck] = []
        self._begin = self._spent = 0.0

    def before_train(self, runner: Runner) -> None:
        """Begin with the label maps of train and val."""
        self._checks = []
        for dataset in inner_datasets(runner.train_dataloader.dataset):
            if isinstance(dataset, BinarySegDataset):
                require_fitting_heads(unwrapped(runner.model), dataset)
        if runner.val_loop is not None and any(
            getattr(each, 'keep_classes', False) for each in inner_datasets(runner.val_dataloader.dataset)
        ):
            raise InputError('keep_classes=True of the val set: scores are of two classes; set it for train alone')
        if not is_main_process():
            return
        self._checks.append(LabelCheck('train', runner.train_dataloader.dataset))
        if runner.val_loop is not None:
            self._checks.append(LabelCheck('val', runner.val_dataloader.dataset))
            require_agreement(runner.train_dataloader.dataset, runner.val_dataloader.dataset)
        self._advance(runner, self.seconds)
        if self._checks:
            runner.logger.info('LabelCheckHook: the check of the label maps goes on while the training runs')
        self._begin, self._spent = time.perf_counter(), 0.0

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: DATA_BATCH = None, outputs: dict | None = None
    ) -> None:
        """Go on with the check if it has its share of the time left."""
        if self._checks:
            self._advance(runner, self.share * (time.perf_counter() - self._begin) - self._spent)

    def before_val_epoch(self, runner: Runner) -> None:
        """Finish the check."""
        self._advance(runner, float('inf'))

    def after_train(self, runner: Runner) -> None:
        """Finish the check."""
        self._advance(runner, float('inf'))

    def _advance(self, runner: Runner, seconds: float) -> None:
        begin = time.perf_counter()
        while self._checks and time.perf_counter() - begin < seconds:
            check = self._checks[0]
            if check.step():
                continue
            self._checks.pop(0)
            runner.logger.info(f'LabelCheckHook: the {check.checked} label maps of the {check.name} set are checked')
            if check.unreadable:
                told = ', '.join(check.unreadable)
                runner.logger.warning(f'LabelCheckHook cannot read the label maps of {told} in the {check.name} set')
        self._spent += time.perf_counter() - begin

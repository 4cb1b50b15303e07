"""CalibratedDecisionHook: end a training with a network whose decision is the one that the training photographs support."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from mmengine.dataset import BaseDataset, pseudo_collate
from mmengine.dist import all_reduce, get_dist_info
from mmengine.hooks import Hook
from mmengine.hooks.hook import DATA_BATCH
from mmengine.runner import Runner
from mmengine.runner.amp import autocast
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import HOOKS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmseg_bisenet_lite.datasets.binary import BinarySegDataset
from mmseg_bisenet_lite.datasets.label_maps import inner_datasets
from mmseg_bisenet_lite.engine.averaging import averaging_hooks
from mmseg_bisenet_lite.evaluation.sweep import BINS, THRESHOLDS, Sweep, histogram, is_poor
from mmseg_bisenet_lite.models.binary_hinge_head import of_two_classes
from mmseg_bisenet_lite.models.decision import (
    BIAS,
    decision_point,
    folded_thresholds,
    heads_of,
    margin_of_logits,
    move_threshold,
    own_threshold,
)
from mmseg_bisenet_lite.utils import schema
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.heads import MAIN, main_head, unwrapped


@HOOKS.register_module()
class CalibratedDecisionHook(Hook):
    """After the last iteration, fold a threshold into the last layer's bias if the network decides poorly without it.

    The hook runs the network on some whole photographs of train, in the way of val, and sweeps the threshold of the margin. If
    the F1 at the network's own decision is less than 0.9 of the highest, see :func:`.is_poor`, it folds the best threshold
    into the bias, before the last checkpoint is saved and before the last validation. So what is validated, tested, published
    and exported decides there, and the threshold, the calibration and the operating points that val finds are those of the
    folded network. ``margin_folded`` in the checkpoint's ``meta`` tells the threshold: the raw network decided at a margin of
    ``-margin_folded``.

    Otherwise the weights stay the same to the bit: a network separates the photographs that it was trained on better than
    others, so a small gain there says little about others. Batch-norm statistics never change. With ``EMAHook`` the averaged
    weights are examined, as val does, and the threshold is folded into both sets of weights. Earlier checkpoints keep their own
    decision.

    An auxiliary ``BinaryHingeHead`` with a ``foreground`` of its own, as of a network that learns several targets, is examined
    like the main head, since it may be published in its place; ``margin_folded_heads`` tells its threshold. A training that an
    ``EarlyStoppingHook`` ends has no last iteration, so nothing is examined.

    Args:
        images: Number of photographs, spread evenly over the data set.

    Raises:
        InputError: ``images`` is not a number above 0.
    """

    priority = 'LOW'  # after EMAHook has averaged, before CheckpointHook saves

    def __init__(self, images: int = 64) -> None:
        if isinstance(images, bool) or not isinstance(images, int) or images < 1:
            raise InputError(f'CalibratedDecisionHook: images={images!r}: give a whole number above 0')
        self.images = images
        self._folded: dict[str, float] = {}  # head -> threshold, into the current weights

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: DATA_BATCH = None) -> None:
        """Forget what was folded, since the weights change."""
        self._folded = {}

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: DATA_BATCH = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """After the last iteration, examine the decision and move it if it is poor."""
        if not self.is_last_train_iter(runner):
            return
        if (obstacle := _obstacle(runner)) is not None:
            runner.logger.warning(f'CalibratedDecisionHook leaves the decision as it is: {obstacle}')
            return
        for name, head in heads_of(unwrapped(runner.model)).items():
            if name == MAIN or getattr(head, 'foreground', None):  # others find no foreground of their own
                self._examine(runner, name, head)

    def _examine(self, runner: Runner, name: str, head: BaseDecodeHead) -> None:
        """Examine the decision of a head, and move it if it is poor."""
        told = 'CalibratedDecisionHook' + (f', {name}' if name != MAIN else '')
        model, bias = unwrapped(runner.model), f'{name}.conv_seg.bias'
        if (values := model.state_dict().get(bias)) is None or values.shape not in ((1,), (2,)):
            runner.logger.warning(f'{told} leaves the decision as it is: there is no {bias} for one or two score maps')
            return
        counts, images = self._count(runner, head)
        if not counts[1].any():
            runner.logger.warning(f'{told} leaves the decision as it is: no foreground in {images} photographs')
            return
        point = decision_point(head)
        own = own_threshold(head)
        sweep = Sweep.of(counts)
        threshold, f1, best = float(THRESHOLDS[sweep.best]), sweep.f1_at(own), float(sweep.f1[sweep.best])
        found = f'on {images} photographs of train the F1 is {100 * f1:.1f}, and {100 * best:.1f} at the best threshold'
        if not is_poor(f1, best):
            runner.logger.info(f'{told}: {found}; the decision stays as it is')
            return
        for each in [model, *(hook.ema_model.module for hook in averaging_hooks(runner))]:
            move_threshold({BIAS: each.state_dict()[bias]}, threshold, point)
        self._folded[name] = round(threshold - own, 4)
        runner.logger.warning(f'{told}: {found}, {self._folded[name]:g}, which is now folded into {bias}')

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Write what was folded into ``meta``."""
        others = dict(self._folded)
        if (folded := others.pop(MAIN, None)) is not None:
            checkpoint['meta'][schema.FOLDED] = folded
        if others:
            checkpoint['meta'][schema.FOLDED_HEADS] = others

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Tell what was folded into the weights."""
        name = runner._load_from or 'the checkpoint'
        for head, folded in folded_thresholds(checkpoint.get('meta') or {}, name).items():
            runner.logger.info(f'{name}: the end of its training folded the threshold {folded:g} into {head}.conv_seg.bias')

    @torch.no_grad()
    def _count(self, runner: Runner, head: BaseDecodeHead) -> tuple[np.ndarray, int]:
        """Return the sum of the photographs' histograms for a head, of all processes, and the number of photographs."""
        samples, number = _photographs(runner, self.images)
        counts = torch.zeros(2, BINS, dtype=torch.int64)
        with _as_in_val(runner), _as_main(unwrapped(runner.model), head):
            for sample in samples:
                for found in runner.model.val_step(pseudo_collate([sample])):
                    margins = margin_of_logits(found.seg_logits.data)
                    label = binary_label(found, head).to(margins.device)
                    counts += torch.from_numpy(histogram(margins, label, head.ignore_index))
        all_reduce(counts)
        return counts.numpy(), number


def binary_label(sample: SegDataSample, head: BaseDecodeHead) -> Tensor:
    """Return the label of a sample's pixels for the decision of a head.

    Shape:
        - Output: ``(H, W)``: 1 foreground, 0 background, or the head's ``ignore_index``.
    """
    label = sample.gt_sem_seg.data.squeeze(0)
    return of_two_classes(label, getattr(head, 'foreground', None), head.ignore_index)


def _obstacle(runner: Runner) -> str | None:
    """Return why the decision cannot be examined or moved; ``None`` if it can."""
    if isinstance(main_head(runner.model), nn.ModuleList):
        return 'the network has several main heads, one after another'
    if runner.val_loop is None:
        return 'there is no val_dataloader, whose pipeline loads whole photographs'
    for name, loader in (('train', runner.train_dataloader), ('val', runner.val_dataloader)):
        others = [each for each in inner_datasets(loader.dataset) if not isinstance(each, BaseDataset)]
        if others:
            return f"{type(others[0]).__name__}, the {name} data set, is not one of MMEngine's"
    return None


def _photographs(runner: Runner, most: int) -> tuple[Iterator[dict], int]:
    """Return this process's share of the samples, loaded as val loads its own, and the number of all samples."""
    places = [(dataset, index) for dataset in inner_datasets(runner.train_dataloader.dataset) for index in range(len(dataset))]
    number = min(most, len(places))
    chosen = [places[(2 * step + 1) * len(places) // (2 * number)] for step in range(number)]
    load = next(inner_datasets(runner.val_dataloader.dataset)).pipeline
    rank, processes = get_dist_info()
    return (load(_sample_info(dataset, index)) for dataset, index in chosen[rank::processes]), number


def _sample_info(dataset: BaseDataset, index: int) -> dict:
    """Return what a data set gives its pipeline."""
    return dataset.sample_info(index) if isinstance(dataset, BinarySegDataset) else dataset.get_data_info(index)


@contextmanager
def _as_in_val(runner: Runner) -> Iterator[None]:
    """Run the network as val does: in its mode, its precision, and with averaged weights if there are some."""
    training = runner.model.training
    with ExitStack() as stack:
        for hook in averaging_hooks(runner):
            hook.before_val_epoch(runner)
            stack.callback(hook.after_val_epoch, runner)
        runner.model.eval()
        stack.callback(runner.model.train, training)
        stack.enter_context(autocast(enabled=getattr(runner.val_loop, 'fp16', False)))
        yield


@contextmanager
def _as_main(model: Any, head: BaseDecodeHead) -> Iterator[None]:
    """Let a segmentor decide by another of its heads."""
    main, model.decode_head = model.decode_head, head
    try:
        yield
    finally:
        model.decode_head = main

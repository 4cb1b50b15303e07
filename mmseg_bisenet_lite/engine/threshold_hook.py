"""ThresholdHook: save what val says about the decision in the checkpoint, and apply its threshold on loading."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.hooks.hook import DATA_BATCH
from mmengine.runner import BaseLoop, Runner
from mmseg.registry import HOOKS

from mmseg_bisenet_lite.evaluation.sweep import is_poor
from mmseg_bisenet_lite.models.decision import chosen_threshold, decision_point, move_threshold
from mmseg_bisenet_lite.utils.heads import main_head

# Average precision in percent from which on a network is expected to decide well.
HIGH_AP = 50.0


def decision_of(loop: BaseLoop) -> dict[str, Any]:
    """Return what a loop of val or test has found about the decision, for a checkpoint's ``meta``; see ``BinaryIoUMetric``."""
    metrics = getattr(getattr(loop, 'evaluator', None), 'metrics', ())  # loops of others may have none
    return {key: value for metric in metrics for key, value in getattr(metric, 'decision', {}).items()}


@HOOKS.register_module()
class ThresholdHook(Hook):
    """Save the best threshold, the calibration and the operating points with their weights, and apply a threshold if asked to.

    ``BinaryIoUMetric`` finds them on val. The hook writes them as ``margin_threshold``, ``margin_calibration`` and
    ``margin_operating_points`` into the ``meta`` of a checkpoint that is saved right after validation, as ``save_best`` does;
    other checkpoints have none.

    After a validation or a test without ``use`` it warns if the scores rank the pixels well and the decision does not use it.

    Args:
        use: Threshold to apply to loaded weights: ``None`` is 0, as in training; ``'best'``, ``'recall=R'`` or
            ``'precision=P'`` is the checkpoint's own; or a number. For tests, not for training.

    Raises:
        InputError: The checkpoint holds no such threshold, or the last layer of its weights is unknown.
    """

    priority = 'ABOVE_NORMAL'  # before CheckpointHook, and before EMAHook, which copies the loaded weights

    def __init__(self, use: str | float | None = None) -> None:
        self.use = use
        self._found: dict[str, Any] = {}  # for the current weights

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Remember what was found."""
        self._found = decision_of(runner.val_loop)
        self._warn_of_poor_decision(runner, metrics)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Say so if the decision is poor."""
        self._warn_of_poor_decision(runner, metrics)

    def _warn_of_poor_decision(self, runner: Runner, metrics: dict[str, float] | None) -> None:
        scores = metrics or {}
        if self.use is not None or not {'fgIoU', 'F1', 'AP', 'bestF1', 'threshold'} <= scores.keys():
            return
        if scores['AP'] >= HIGH_AP and is_poor(scores['F1'], scores['bestF1']):
            runner.logger.warning(
                f'AP is {scores["AP"]:g}, but the foreground IoU at the decision is {scores["fgIoU"]:g}: the threshold '
                f'{scores["threshold"]:g} raises F1 from {scores["F1"]:g} to {scores["bestF1"]:g}; test and export with '
                f'--threshold best, or --threshold={scores["threshold"]:g} if the checkpoint holds none'
            )

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: DATA_BATCH = None) -> None:
        """Forget it, since the weights change."""
        self._found = {}

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Write it into ``meta`` if the weights have not changed since."""
        checkpoint['meta'].update(self._found)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Fold the threshold into the loaded weights if asked to."""
        if self.use is not None:
            name = runner._load_from or 'the checkpoint'
            threshold = chosen_threshold(self.use, checkpoint, name)
            move_threshold(checkpoint.get('state_dict', checkpoint), threshold, decision_point(main_head(runner.model)))
            runner.logger.info(f'{name}: a pixel is foreground if its margin is above {threshold}')

"""ThresholdHook: save the best threshold on val in the checkpoint, and apply it on loading."""

from mmengine.hooks import Hook
from mmengine.hooks.hook import DATA_BATCH
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from mmseg_bisenet_lite.models.decision import KEY, chosen_threshold, decision_point, move_threshold
from mmseg_bisenet_lite.utils.schema import MOST_THRESHOLD


@HOOKS.register_module()
class ThresholdHook(Hook):
    """Save the best threshold of the margin with the weights that it was found for, and apply it when asked to.

    ``BinaryIoUMetric`` finds the threshold on val. The hook writes it as ``margin_threshold`` into the ``meta`` of a checkpoint
    that is saved right after validation, as ``save_best`` does; other checkpoints have none.

    Args:
        use: Threshold to apply to loaded weights: ``None`` is 0, as in training; ``'best'`` is the checkpoint's own; or a
            number. For tests, not for training.

    Raises:
        InputError: The checkpoint holds no threshold, or the last layer of its weights is unknown.
    """

    priority = 'ABOVE_NORMAL'  # before CheckpointHook, and before EMAHook, which copies the loaded weights

    def __init__(self, use: str | float | None = None) -> None:
        self.use = use
        self._found: float | None = None  # threshold for the current weights

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Remember the threshold that was found."""
        self._found = {key.rpartition('/')[2]: value for key, value in (metrics or {}).items()}.get('threshold')

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: DATA_BATCH = None) -> None:
        """Forget the threshold, since the weights change."""
        self._found = None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Write the threshold into ``meta`` if the weights have not changed since."""
        if self._found is not None and abs(self._found) <= MOST_THRESHOLD:  # a diverged network has none, or NaN
            checkpoint['meta'][KEY] = self._found

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Fold the threshold into the loaded weights if asked to."""
        if self.use is not None:
            name = runner._load_from or 'the checkpoint'
            threshold = chosen_threshold(self.use, checkpoint, name)
            move_threshold(checkpoint.get('state_dict', checkpoint), threshold, decision_point(runner.model))
            runner.logger.info(f'{name}: a pixel is foreground if its margin is above {threshold}')

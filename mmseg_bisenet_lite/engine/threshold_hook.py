"""ThresholdHook: the best threshold of val travels with the weights that it was found for."""

from mmengine.hooks import Hook
from mmengine.hooks.hook import DATA_BATCH
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from mmseg_bisenet_lite.models.decision import KEY, chosen_threshold, decision_point, move_threshold


@HOOKS.register_module()
class ThresholdHook(Hook):
    """Keep the best threshold of the margin with the weights that it was found for, and use it when asked to.

    ``BinaryIoUMetric`` finds it on val. It goes into the ``meta`` of a checkpoint that is saved right after, for its score, as
    ``margin_threshold``; other checkpoints have none.

    Args:
        use: The threshold that loaded weights shall decide by: ``None`` is 0, as they were trained; ``'best'`` is the
            checkpoint's own; or a number. For tests, not for training.

    Raises:
        InputError: The checkpoint holds no threshold, or its last layer is not known.
    """

    priority = 'ABOVE_NORMAL'  # before CheckpointHook, and before EMAHook, which copies the weights that are loaded

    def __init__(self, use: str | float | None = None) -> None:
        self.use = use
        self._found: float | None = None  # for the weights as they are now

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Remember what was found."""
        self._found = {key.rpartition('/')[2]: value for key, value in (metrics or {}).items()}.get('threshold')

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: DATA_BATCH = None) -> None:
        """Forget it."""
        self._found = None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Write it into the ``meta`` if the weights are still the same."""
        if self._found is not None:
            checkpoint['meta'][KEY] = self._found

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Use it."""
        if self.use is not None:
            name = runner._load_from or 'the checkpoint'
            threshold = chosen_threshold(self.use, checkpoint, name)
            move_threshold(checkpoint.get('state_dict', checkpoint), threshold, decision_point(runner.model))
            runner.logger.info(f'{name}: a pixel is foreground if its margin is above {threshold}')

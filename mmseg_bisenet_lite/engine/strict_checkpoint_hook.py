"""StrictCheckpointHook: refuse a checkpoint that does not fit the config."""

from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, Runner
from mmseg.registry import HOOKS

from mmseg_bisenet_lite.compat import check_weights, keep_auxiliary_heads
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.heads import has_auxiliary_heads, unwrapped


@HOOKS.register_module()
class StrictCheckpointHook(Hook):
    """Refuse a checkpoint whose weights do not match the model exactly; warn if it was trained on other classes.

    Without the hook, MMEngine logs a warning and goes on with random weights for the missing ones. A checkpoint without any
    auxiliary head, such as weights of the package, leaves those heads as they are, since only training uses them.

    Args:
        allow: Parts of the model whose weights may differ, for fine-tuning. ``('decode_head', 'auxiliary_head')`` keeps the
            rest strict.

    Raises:
        InputError: Weights are missing, unexpected or of another shape; or the two classes are in the other order.
    """

    def __init__(self, allow: str | Sequence[str] = ()) -> None:
        self.allow = (allow,) if isinstance(allow, str) else tuple(allow)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare the keys and shapes before anything is loaded."""
        name = runner._load_from or 'the checkpoint'
        check_weights(runner.model, checkpoint, name, self.allow)
        if not has_auxiliary_heads(checkpoint.get('state_dict', checkpoint)):
            keep_auxiliary_heads(runner.model, checkpoint)
            if isinstance(runner._train_loop, BaseLoop) and has_auxiliary_heads(unwrapped(runner.model).state_dict()):
                runner.logger.warning(f'{name} has no auxiliary heads; those of the config start from their initial weights')
        told = ((checkpoint.get('meta') or {}).get('dataset_meta') or {}).get('classes')
        ours = _classes(runner) if told else None
        if not told or not ours or list(told) == list(ours):
            return
        if len(told) == len(ours) == 2 and (told[0] == ours[1] or told[1] == ours[0]):
            raise InputError(
                f'{name} was trained on the classes {", ".join(told)}, in this order; this data set has {", ".join(ours)}: '
                'give metainfo.classes in the same order, or train anew'
            )
        # Only a warning, since fine-tuning does this on purpose.
        runner.logger.warning(f'{name} was trained on the classes {", ".join(told)}; this data set has {", ".join(ours)}')


def _classes(runner: Runner) -> Sequence[str] | None:
    """Return the classes of the data set in the first loop that is built; ``None`` if no loop is."""
    for loop in (runner._train_loop, runner._val_loop, runner._test_loop):
        if isinstance(loop, BaseLoop):
            return (getattr(loop.dataloader.dataset, 'metainfo', None) or {}).get('classes')
    return None

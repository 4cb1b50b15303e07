"""Averaged weights: the hooks that keep them."""

from mmengine.hooks import EMAHook
from mmengine.runner import Runner


def averaging_hooks(runner: Runner) -> list[EMAHook]:
    """Return the hooks of a training that average its weights, which take the place of its own during a validation."""
    return [hook for hook in runner.hooks if isinstance(hook, EMAHook)]

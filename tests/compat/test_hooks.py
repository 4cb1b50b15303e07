import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from torch import nn

OURS = {
    'strict_checkpoint': 'StrictCheckpointHook',
    'threshold': 'ThresholdHook',
    'foreground_weight': 'ForegroundWeightHook',
    'visualization': 'SegVisualizationHook',
}


def runner(root, tmp_path, **changes):
    """A runner with the hooks of a config and nothing to run."""
    config = Config.fromfile(root / 'configs' / 'camvid' / 'lite_hinge_vehicle.py')
    config.merge_from_dict({f'default_hooks.{name}': hook for name, hook in changes.items()})
    runner = Runner(nn.Linear(1, 1), str(tmp_path), default_hooks=config.default_hooks, default_scope='mmseg')
    return {type(hook).__name__ for hook in runner.hooks}


@pytest.mark.parametrize('name', OURS)
def test_none_drops_a_hook_and_no_other(root, tmp_path, name):
    everything = runner(root, tmp_path / 'a')
    assert everything >= set(OURS.values())
    assert runner(root, tmp_path / 'b', **{name: None}) == everything - {OURS[name]}


def test_none_drops_mmengines_own_hooks_as_before(root, tmp_path):
    assert runner(root, tmp_path / 'a') - runner(root, tmp_path / 'b', timer=None) == {'IterTimerHook'}

from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import BaseLoop, Runner
from torch import nn

from mmseg_bisenet_lite import StrictCheckpointHook
from mmseg_bisenet_lite.utils.errors import InputError


class Net(nn.Module):
    def __init__(self, classes=2):
        super().__init__()
        self.backbone = nn.Conv2d(3, 4, 1)
        self.decode_head = nn.Conv2d(4, classes, 1)


def load(weights, model=None, **options):
    runner = SimpleNamespace(model=model or Net(), _load_from='work_dirs/a.pth', _train_loop=None)
    StrictCheckpointHook(**options).after_load_checkpoint(runner, dict(state_dict=weights))


def test_the_models_own_weights_pass(tta):
    load(Net().state_dict())
    load(Net().state_dict(), model=tta(Net()))
    load({f'module.{key}': value for key, value in Net().state_dict().items()})


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda w: w.pop('backbone.bias'), r'1 missing \(first: backbone.bias\)'),
        (lambda w: w.update(extra=torch.zeros(1)), r'1 unexpected \(first: extra\)'),
        (lambda w: w.update({'decode_head.bias': torch.zeros(19)}), r'1 of another shape \(first: decode_head.bias\)'),
    ],
)
def test_other_weights_are_refused(change, message):
    weights = Net().state_dict()
    change(weights)
    with pytest.raises(InputError, match=rf'work_dirs/a\.pth: .*{message}'):
        load(weights)


def test_named_parts_may_differ():
    weights = Net(classes=19).state_dict()
    with pytest.raises(InputError, match='2 of another shape'):
        load(weights)
    load(weights, allow=['decode_head'])
    load(weights, allow='decode_head')
    with pytest.raises(InputError, match='2 of another shape'):
        load(weights, allow='decode')


def test_auxiliary_heads_that_a_checkpoint_lacks_stay_as_they_are():
    class Trained(Net):
        def __init__(self):
            super().__init__()
            self.auxiliary_head = nn.ModuleList([nn.Conv2d(4, 2, 1), nn.Conv2d(4, 2, 1)])

    model, checkpoint = Trained(), dict(state_dict=Net().state_dict())
    before = {key: value.clone() for key, value in model.auxiliary_head.state_dict().items()}
    told = []
    logger = SimpleNamespace(warning=told.append)
    runner = SimpleNamespace(model=model, _load_from='a.pth', _train_loop=Loop(None, []), logger=logger)
    StrictCheckpointHook().after_load_checkpoint(runner, checkpoint)
    assert told == ['a.pth has no auxiliary heads; those of the config start from their initial weights']
    model.load_state_dict(checkpoint['state_dict'], strict=True)
    assert all(torch.equal(model.auxiliary_head.state_dict()[key], value) for key, value in before.items())

    some = {key: value for key, value in Trained().state_dict().items() if not key.startswith('auxiliary_head.1')}
    with pytest.raises(InputError, match=r'2 missing \(first: auxiliary_head\.1\.bias'):
        load(some, model=model)


class Loop(BaseLoop):
    def run(self):
        pytest.fail('it is only built')


def test_weights_for_other_classes_are_told():
    told = []
    data = SimpleNamespace(dataset=SimpleNamespace(metainfo=dict(classes=('background', 'vehicle'))))
    runner = SimpleNamespace(model=Net(), _load_from='a.pth', logger=SimpleNamespace(warning=told.append))
    runner._train_loop = runner._val_loop = dict(type='ValLoop')  # not built
    for loop in (dict(type='TestLoop'), Loop(None, data)):
        runner._test_loop = loop
        for classes in (['background', 'vehicle'], ['background', 'human'], None):
            checkpoint = dict(state_dict=Net().state_dict(), meta=dict(dataset_meta=dict(classes=classes)))
            StrictCheckpointHook().after_load_checkpoint(runner, checkpoint)
    assert told == ['a.pth was trained on the classes background, human; this data set has background, vehicle']


@pytest.mark.parametrize('classes', [['vehicle', 'background'], ['car', 'background'], ['vehicle', 'rest']])
def test_weights_for_classes_in_the_other_order_are_refused(classes):
    data = SimpleNamespace(dataset=SimpleNamespace(metainfo=dict(classes=('background', 'vehicle'))))
    runner = SimpleNamespace(model=Net(), _load_from='a.pth', _train_loop=Loop(None, data))
    runner._val_loop = runner._test_loop = None
    checkpoint = dict(state_dict=Net().state_dict(), meta=dict(dataset_meta=dict(classes=classes)))
    with pytest.raises(InputError, match=rf'a\.pth was trained on the classes {", ".join(classes)}, in this order'):
        StrictCheckpointHook().after_load_checkpoint(runner, checkpoint)


def test_a_runner_that_has_loaded_no_data_yet_warns_of_no_classes(small_config, small_checkpoint, tmp_path):
    config = Config.fromfile(small_config)
    config.work_dir = str(tmp_path)
    config.pop('visualizer')
    runner = Runner.from_cfg(config)
    runner.logger.warning = pytest.fail
    runner.load_checkpoint(str(small_checkpoint))


@pytest.mark.parametrize('checkpoint', [dict(model={}, epoch=1), dict(state_dict=dict(weight=3))])
def test_what_is_no_state_dict_is_refused(checkpoint):
    with pytest.raises(InputError, match='4 missing'):
        StrictCheckpointHook().after_load_checkpoint(SimpleNamespace(model=Net(), _load_from='a.pth'), checkpoint)

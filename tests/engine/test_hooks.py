from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import CheckpointHook, EMAHook
from mmengine.model import BaseTTAModel
from mmengine.runner import BaseLoop, Runner, get_priority
from mmseg.models.decode_heads import FCNHead
from mmseg.models.losses import CrossEntropyLoss
from torch import nn

from mmseg_bisenet_lite import ForegroundWeightHook, StrictCheckpointHook, ThresholdHook
from mmseg_bisenet_lite.models.decision import decision_point, move_threshold
from mmseg_bisenet_lite.utils.errors import InputError


class Net(nn.Module):
    def __init__(self, classes=2):
        super().__init__()
        self.backbone = nn.Conv2d(3, 4, 1)
        self.decode_head = nn.Conv2d(4, classes, 1)


class TTA(BaseTTAModel):
    def __init__(self, module):
        nn.Module.__init__(self)
        self.module = module

    def merge_preds(self, data_samples_list):
        return []


def load(weights, model=None, **options):
    runner = SimpleNamespace(model=model or Net(), _load_from='work_dirs/a.pth', work_dir='work_dirs')
    StrictCheckpointHook(**options).after_load_checkpoint(runner, dict(state_dict=weights))


def test_the_models_own_weights_pass():
    load(Net().state_dict())
    load(Net().state_dict(), model=TTA(Net()))
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


class Scored(nn.Module):
    """A segmentor as far as the threshold is concerned: scores of a pixel from its colours."""

    def __init__(self, maps):
        super().__init__()
        self.decode_head = nn.Module()
        self.decode_head.conv_seg = nn.Conv2d(3, maps, 1)

    def margins(self, image):
        scores = self.decode_head.conv_seg(image)
        return scores[:, -1] - (scores[:, 0] if scores.shape[1] == 2 else 0)


@pytest.mark.parametrize('maps', [1, 2])
@pytest.mark.parametrize(('use', 'threshold'), [('best', 0.4), (-1.5, -1.5), ('0.25', 0.25)])
def test_weights_decide_by_another_threshold(maps, use, threshold):
    model, image = Scored(maps), torch.randn(1, 3, 8, 8)
    margins = model.margins(image)
    checkpoint = dict(state_dict=model.state_dict(), meta=dict(margin_threshold=0.4))
    runner = SimpleNamespace(model=model, _load_from='a.pth', logger=SimpleNamespace(info=lambda text: None))
    ThresholdHook(use=use).after_load_checkpoint(runner, checkpoint)
    assert torch.allclose(model.margins(image), margins - threshold, atol=1e-6)


def test_a_head_that_decides_elsewhere_decides_by_the_threshold_too():
    model, image = Scored(1), torch.randn(1, 3, 8, 8)
    model.decode_head.threshold = 0.3  # FCNHead's default
    margins = model.margins(image)
    move_threshold(model.state_dict(), 0.4, decision_point(TTA(model)))
    assert torch.equal(model.margins(image).sigmoid() > 0.3, margins > 0.4)


def test_averaged_weights_decide_by_the_threshold_too():
    """EMAHook copies the weights that are loaded, so they have to be changed before."""
    assert get_priority(ThresholdHook.priority) < get_priority(EMAHook.priority)
    assert get_priority(ThresholdHook.priority) < get_priority(CheckpointHook.priority)


def test_without_being_asked_no_threshold_is_used():
    model = Scored(2)
    before = model.decode_head.conv_seg.bias.clone()
    ThresholdHook().after_load_checkpoint(None, dict(state_dict=model.state_dict(), meta=dict(margin_threshold=0.4)))
    assert torch.equal(model.decode_head.conv_seg.bias, before)


@pytest.mark.parametrize(
    ('use', 'weights', 'message'),
    [
        ('best', Scored(2), r'a\.pth: holds no threshold'),
        ('most', Scored(2), "threshold 'most': give 'best' or a number"),
        (float('nan'), Scored(2), 'give .best. or a number'),
        (1.0, Scored(19), 'needs decode_head.conv_seg.bias'),
        (1.0, Net(), 'needs decode_head.conv_seg.bias'),
    ],
)
def test_a_threshold_that_cannot_be_used_is_named(use, weights, message):
    runner = SimpleNamespace(model=weights, _load_from='a.pth')
    with pytest.raises(InputError, match=message):
        ThresholdHook(use=use).after_load_checkpoint(runner, dict(state_dict=weights.state_dict(), meta={}))


def test_a_threshold_is_kept_with_the_weights_that_it_was_found_for():
    hook, runner = ThresholdHook(), SimpleNamespace(iter=4)
    saved = [{'meta': {}} for _ in range(3)]
    hook.before_save_checkpoint(runner, saved[0])  # before the first validation
    hook.after_val_epoch(runner, {'mIoU': 80.0, 'val/threshold': 0.3})
    hook.before_save_checkpoint(runner, saved[1])  # the best so far
    hook.before_train_iter(runner, 4)
    hook.before_save_checkpoint(runner, saved[2])  # other weights
    assert [each['meta'] for each in saved] == [{}, {'margin_threshold': 0.3}, {}]


def heads(*losses, **options):
    """A model with a head for each loss."""
    options = dict(in_channels=4, channels=4, num_classes=2) | options
    return nn.ModuleList([FCNHead(loss_decode=loss, **options) for loss in losses])


HINGE, CE = dict(type='BinaryHingeLoss'), dict(type='CrossEntropyLoss', avg_non_ignore=True)


def test_the_foreground_weighs_more_at_the_beginning():
    model = heads(HINGE, [CE, dict(type='DiceLoss')])
    hook, runner = ForegroundWeightHook(start=16.0, share=0.5), SimpleNamespace(model=model, max_iters=80, iter=0)
    hook.before_train(runner)
    found = []
    for runner.iter in (0, 20, 39, 40, 79):
        hook.before_train_iter(runner, runner.iter)
        assert model[0].loss_decode.class_weight == model[1].loss_decode[0].class_weight
        found.append(model[0].loss_decode.class_weight)
    assert found == [[1, 16], [1, 4], [1, pytest.approx(16 ** (1 / 40))], None, None]
    runner.iter, hook.end = 20, 4.0
    hook.before_train_iter(runner, 20)
    assert model[0].loss_decode.class_weight == [1, 8]


@pytest.mark.parametrize('maps', [1, 2])
def test_sigmoid_losses_weigh_the_foreground_too(maps):
    model = heads(dict(type='CrossEntropyLoss', use_sigmoid=True, avg_non_ignore=True), out_channels=maps, threshold=0.5)
    hook = ForegroundWeightHook(start=3.0)
    hook.before_train(SimpleNamespace(model=model))
    score, label = torch.randn(2, maps, 4, 5), torch.randint(0, 2, (2, 4, 5))
    loss = model[0].loss_decode
    before = loss(score, label, ignore_index=255, reduction_override='none')
    hook.before_train_iter(SimpleNamespace(iter=0, max_iters=10), 0)
    after = loss(score, label, ignore_index=255, reduction_override='none')
    before, after = (each.squeeze(1) if maps == 1 else each[:, 1] for each in (before, after))
    assert torch.allclose(after, before * torch.where(label == 1, 3.0, 1.0))


def test_a_weighted_loss_counts_ignored_pixels_for_nothing():
    score, label = torch.randn(2, 2, 4, 5), torch.randint(0, 2, (2, 4, 5))
    label[:, 0] = 255
    loss = CrossEntropyLoss(avg_non_ignore=True, class_weight=[1.0, 7.0])
    expected = nn.functional.cross_entropy(score, label, torch.tensor([1.0, 7.0]), ignore_index=255)
    assert torch.allclose(loss(score, label, ignore_index=255), expected)


@pytest.mark.parametrize(
    ('options', 'message'), [(dict(start=0), 'start=0'), (dict(end=-1), 'end=-1'), (dict(share=0), 'share=0')]
)
def test_wrong_arguments_of_the_weights_are_named(options, message):
    with pytest.raises(InputError, match=message):
        ForegroundWeightHook(**options)


def test_losses_that_cannot_be_weighed_are_named():
    for kind, message in (('DiceLoss', 'finds no loss'), ('FocalLoss', 'FocalLoss: Foreground.* only')):
        with pytest.raises(InputError, match=message):
            ForegroundWeightHook().before_train(SimpleNamespace(model=heads(dict(type=kind))))


def test_the_lovasz_loss_is_left_alone():
    model = heads({**HINGE}, dict(type='LovaszLoss', classes=[1], reduction='none'))
    hook = ForegroundWeightHook()
    hook.before_train(SimpleNamespace(model=model))
    hook.before_train_iter(SimpleNamespace(iter=0, max_iters=10), 0)
    assert [head.loss_decode.class_weight for head in model] == [[1.0, 10.0], None]


def test_after_training_the_losses_are_as_they_were():
    model, hook = heads(HINGE), ForegroundWeightHook(end=1.5)
    for _ in range(2):
        hook.before_train(SimpleNamespace(model=model))
        hook.before_train_iter(SimpleNamespace(iter=9, max_iters=10), 9)
        assert model[0].loss_decode.class_weight == [1, pytest.approx(1.5)]
        hook.after_train(None)
        assert model[0].loss_decode.class_weight is None


def test_two_sets_of_class_weights_are_refused():
    model = heads({**HINGE, 'class_weight': [1.0, 2.0]})
    with pytest.raises(InputError, match=r'BinaryHingeLoss has class_weight=\[1.0, 2.0\]'):
        ForegroundWeightHook().before_train(SimpleNamespace(model=model))

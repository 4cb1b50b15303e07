from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import CheckpointHook, EMAHook
from mmengine.runner import get_priority
from torch import nn

from mmseg_bisenet_lite import ThresholdHook
from mmseg_bisenet_lite.models.decision import decision_point, move_threshold
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.heads import main_head


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


def test_a_head_that_decides_elsewhere_decides_by_the_threshold_too(tta):
    model, image = Scored(1), torch.randn(1, 3, 8, 8)
    model.decode_head.threshold = 0.3  # FCNHead's default
    margins = model.margins(image)
    move_threshold(model.state_dict(), 0.4, decision_point(main_head(tta(model))))
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
        (1.0, nn.Conv2d(3, 2, 1), 'needs decode_head.conv_seg.bias'),
    ],
)
def test_a_threshold_that_cannot_be_used_is_named(use, weights, message):
    runner = SimpleNamespace(model=weights, _load_from='a.pth')
    with pytest.raises(InputError, match=message):
        ThresholdHook(use=use).after_load_checkpoint(runner, dict(state_dict=weights.state_dict(), meta={}))


def test_what_val_found_is_kept_with_the_weights_that_it_was_found_for():
    found = {'margin_threshold': 0.3, 'margin_calibration': {'temperature': 0.6, 'bias': -1.4}}
    evaluator = SimpleNamespace(metrics=[SimpleNamespace(), SimpleNamespace(decision=found)])
    hook, runner = ThresholdHook(), SimpleNamespace(iter=4, val_loop=SimpleNamespace(evaluator=evaluator))
    saved = [{'meta': {}} for _ in range(3)]
    hook.before_save_checkpoint(runner, saved[0])  # before the first validation
    hook.after_val_epoch(runner, {'mIoU': 80.0})
    hook.before_save_checkpoint(runner, saved[1])  # the best so far
    hook.before_train_iter(runner, 4)
    hook.before_save_checkpoint(runner, saved[2])  # other weights
    assert [each['meta'] for each in saved] == [{}, found, {}]


NOT_USED = dict(fgIoU=0.0, F1=0.0, AP=84.0, bestF1=79.0, threshold=-1.5)


@pytest.mark.parametrize(
    ('use', 'changes', 'warns'),
    [
        (None, {}, True),
        (None, {'AP': 20.0}, False),  # the network has not learned to rank the pixels
        (None, {'F1': 75.0}, False),
        ('precision=0.99', {}, False),  # asked for
    ],
)
def test_a_decision_that_does_not_use_what_the_network_knows_is_named(use, changes, warns):
    lines = []
    runner = SimpleNamespace(val_loop=None, logger=SimpleNamespace(warning=lines.append))
    hook = ThresholdHook(use)
    hook.after_val_epoch(runner, {**NOT_USED, **changes})
    hook.after_test_epoch(runner, {**NOT_USED, **changes})
    hook.after_test_epoch(runner, {'mIoU': 80.0})  # other metrics
    assert len(lines) == 2 * warns
    for line in lines:
        assert 'AP is 84, but the foreground IoU at the decision is 0' in line
        assert '--threshold best, or --threshold=-1.5' in line


def test_a_checkpoint_tells_the_threshold_of_a_recall():
    model, image = Scored(2), torch.randn(1, 3, 8, 8)
    margins = model.margins(image)
    points = {'threshold': [-1.0, 0.5], 'precision': [0.5, 0.9], 'recall': [0.95, 0.7]}
    checkpoint = dict(state_dict=model.state_dict(), meta=dict(margin_operating_points=points))
    runner = SimpleNamespace(model=model, _load_from='a.pth', logger=SimpleNamespace(info=lambda text: None))
    ThresholdHook(use='recall=0.9').after_load_checkpoint(runner, checkpoint)
    assert torch.allclose(model.margins(image), margins + 1, atol=1e-6)

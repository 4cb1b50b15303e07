from types import SimpleNamespace

import pytest
import torch
from mmseg.models.decode_heads import FCNHead
from mmseg.models.losses import CrossEntropyLoss
from torch import nn

from mmseg_bisenet_lite import ForegroundWeightHook
from mmseg_bisenet_lite.utils.errors import InputError


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


def test_a_weighted_loss_of_many_pixels_in_float16_is_not_0():
    score, label = torch.randn(1, 2, 300, 300), torch.randint(0, 2, (1, 300, 300))
    loss = CrossEntropyLoss(avg_non_ignore=True, class_weight=[1.0, 7.0])
    expected = loss(score, label, ignore_index=255)
    with torch.autocast('cpu', torch.float16):  # computes losses in float32, of scores and weights in float16
        assert torch.allclose(loss(score.half(), label, ignore_index=255), expected, rtol=0.01)


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


def test_heads_with_other_classes_are_left_alone():
    model = nn.ModuleList([*heads(HINGE), *heads(CE, num_classes=11)])
    hook, runner = ForegroundWeightHook(start=16.0), SimpleNamespace(model=model, max_iters=80, iter=0)
    hook.before_train(runner)
    hook.before_train_iter(runner, 0)
    assert model[0].loss_decode.class_weight == [1, 16]
    assert model[1].loss_decode.class_weight is None


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

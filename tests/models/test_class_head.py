import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch.nn.functional import cross_entropy

from mmseg_bisenet_lite import ClassHead
from mmseg_bisenet_lite.utils.errors import InputError

CE = dict(type='CrossEntropyLoss', use_sigmoid=False, avg_non_ignore=True)
HEAD = dict(in_channels=8, channels=4, num_convs=1, in_index=0, num_classes=11, loss_decode=CE)


def samples(label):
    return [SegDataSample(gt_sem_seg=PixelData(data=one[None])) for one in label]


def test_the_loss_is_that_of_the_labels_in_the_middle_of_each_pixel():
    head = ClassHead(**HEAD)
    label = torch.randint(11, (2, 24, 32))
    label[0, :8] = 255
    logits = torch.randn(2, 11, 3, 4, requires_grad=True)
    losses = head.loss_by_feat(logits, samples(label))
    assert losses.keys() == {'loss_ce'}
    expected = cross_entropy(logits, label[:, 4::8, 4::8], ignore_index=255)
    assert losses['loss_ce'].item() == pytest.approx(expected.item(), rel=1e-5)


def test_it_trains_its_features():
    feature = torch.randn(2, 8, 3, 4, requires_grad=True)
    losses = ClassHead(**HEAD).loss((feature,), samples(torch.randint(11, (2, 24, 32))), train_cfg={})
    losses['loss_ce'].backward()
    assert feature.grad.abs().sum() > 0


@pytest.mark.parametrize('options', [dict(loss_decode=[CE, CE]), dict(sampler=dict(type='OHEMPixelSampler'))])
def test_several_losses_and_samplers_are_refused(options):
    with pytest.raises(InputError, match='ClassHead: give one loss as loss_decode, and no sampler'):
        ClassHead(**{**HEAD, **options})


def test_labels_of_another_size_are_refused():
    with pytest.raises(InputError, match='labels of 33x24 for a map of 4x3'):
        ClassHead(**HEAD).loss_by_feat(torch.randn(1, 11, 3, 4), samples(torch.zeros(1, 24, 33, dtype=torch.long)))

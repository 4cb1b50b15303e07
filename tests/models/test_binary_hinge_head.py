import pytest
import torch
from mmengine.structures import PixelData
from mmseg.models import EncoderDecoder
from mmseg.models.losses import CrossEntropyLoss
from mmseg.structures import SegDataSample

from mmseg_bisenet_lite import BinaryHingeHead
from mmseg_bisenet_lite.utils.errors import InputError

SHAPE = dict(in_channels=8, channels=4, num_convs=1, in_index=0)


class OwnCrossEntropy(CrossEntropyLoss):
    """A user's loss."""


def samples(label):
    return [SegDataSample(gt_sem_seg=PixelData(data=one[None])) for one in label]


@pytest.mark.parametrize('out_channels', [1, 2])
def test_trains_with_hinge_by_default(out_channels):
    head = BinaryHingeHead(**SHAPE, out_channels=out_channels)
    feature = torch.randn(2, 8, 6, 5, requires_grad=True)
    assert head((feature,)).shape == (2, out_channels, 6, 5)
    losses = head.loss((feature,), samples(torch.randint(2, (2, 48, 40))), train_cfg={})
    assert set(losses) == {'loss_hinge', 'acc_seg'}
    losses['loss_hinge'].backward()
    assert torch.isfinite(feature.grad).all()
    assert feature.grad.any()


@pytest.mark.parametrize('out_channels', [1, 2])
def test_accuracy_counts_the_decisions(out_channels):
    head = BinaryHingeHead(**SHAPE, out_channels=out_channels)
    label = torch.randint(2, (2, 6, 5))
    label[0, 0] = 255
    right = torch.where(label == 1, 2.0, -2.0).unsqueeze(1)
    logits = right if out_channels == 1 else torch.cat([-right, right], dim=1)
    assert head.loss_by_feat(logits, samples(label))['acc_seg'] == pytest.approx(100, abs=1e-3)
    assert head.loss_by_feat(-logits, samples(label))['acc_seg'] == pytest.approx(0, abs=1e-3)


def test_one_score_decides_at_zero():
    segmentor = EncoderDecoder(
        backbone=dict(type='BiSeNetLite', backbone_cfg=dict(type='LiteVGG'), context_channels=(128, 128, 256)),
        decode_head=dict(type='BinaryHingeHead', in_channels=256, channels=8, num_convs=1, in_index=0, out_channels=1),
    )
    score = torch.tensor([-3.0, -1e-3, 1e-3, 3.0]).reshape(1, 1, 1, 4)
    (sample,) = segmentor.postprocess_result(score)
    assert sample.pred_sem_seg.data.flatten().tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(num_classes=19), 'num_classes=19'),
        (dict(out_channels=3), 'out_channels=3: give 2'),
        (dict(threshold=0.5), 'threshold=0.5 has no effect'),
        (dict(out_channels=1, threshold=1.5), 'threshold=1.5'),
        (dict(out_channels=1, loss_decode=dict(type='CrossEntropyLoss')), 'use_sigmoid'),
        (dict(out_channels=1, loss_decode=dict(type='mmseg.CrossEntropyLoss')), 'use_sigmoid'),
        (dict(out_channels=1, loss_decode=[dict(type='BinaryHingeLoss'), dict(type=CrossEntropyLoss)]), 'use_sigmoid'),
        (dict(out_channels=1, loss_decode=dict(type='mmseg.models.losses.CrossEntropyLoss')), 'use_sigmoid'),
        (dict(out_channels=1, loss_decode=dict(type=OwnCrossEntropy)), 'OwnCrossEntropy without a sigmoid'),
        (dict(out_channels=1, loss_decode=dict(type='OhemCrossEntropy')), 'OhemCrossEntropy without a sigmoid'),
    ],
)
def test_contradictions_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        BinaryHingeHead(**SHAPE, **options)


def test_typos_are_refused():
    with pytest.raises(TypeError, match='treshold'):
        BinaryHingeHead(**SHAPE, treshold=0.5)


def test_labels_of_many_classes_become_two():
    head = BinaryHingeHead(**SHAPE, foreground=(9, 10))
    label = torch.tensor([0, 8, 9, 10, 255]).reshape(1, 1, 5)
    two = torch.tensor([0, 0, 1, 1, 255]).reshape(1, 1, 5)
    logits = torch.randn(1, 2, 1, 5)
    plain = BinaryHingeHead(**SHAPE)
    assert head.loss_by_feat(logits, samples(label)) == plain.loss_by_feat(logits, samples(two))
    for foreground in ((), 'car', (1.5,), 8, (-1,), (True,), (255,)):
        with pytest.raises(InputError, match='foreground='):
            BinaryHingeHead(**SHAPE, foreground=foreground)

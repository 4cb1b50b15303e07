import pytest
import torch
from mmcv.cnn import DepthwiseSeparableConvModule
from mmengine.structures import PixelData
from mmseg.models.decode_heads import DepthwiseSeparableFCNHead
from mmseg.structures import SegDataSample

from mmseg_bisenet_lite.models import BinaryHingeHead, DepthwiseSeparableBinaryHingeHead
from mmseg_bisenet_lite.utils.errors import InputError

SHAPE = dict(in_channels=8, channels=4, num_convs=2, in_index=0, concat_input=False)


def samples(label):
    return [SegDataSample(gt_sem_seg=PixelData(data=one[None])) for one in label]


def test_it_is_fast_scnns_head_with_the_loss_of_ours():
    ours = DepthwiseSeparableBinaryHingeHead(**SHAPE, foreground=(8,)).eval()
    theirs = DepthwiseSeparableFCNHead(**SHAPE, num_classes=2).eval()
    plain = BinaryHingeHead(**SHAPE)
    assert all(isinstance(each, DepthwiseSeparableConvModule) for each in ours.convs)
    theirs.load_state_dict(ours.state_dict())
    feature = torch.randn(2, 8, 6, 5)
    assert torch.equal(ours((feature,)), theirs((feature,)))
    label = torch.randint(2, (2, 24, 20))
    logits = torch.randn(2, 2, 6, 5)
    assert ours.loss_by_feat(logits, samples(label * 8)) == plain.loss_by_feat(logits, samples(label))


def test_options_reach_both():
    head = DepthwiseSeparableBinaryHingeHead(**SHAPE, dw_act_cfg=dict(type='ReLU'), out_channels=1)
    assert head.convs[0].depthwise_conv.with_activation
    assert not DepthwiseSeparableBinaryHingeHead(**SHAPE).convs[0].depthwise_conv.with_activation
    assert head((torch.randn(1, 8, 6, 5),)).shape == (1, 1, 6, 5)
    with pytest.raises(InputError, match='num_classes'):
        DepthwiseSeparableBinaryHingeHead(**SHAPE, num_classes=3)

"""The exported graph against MMSegmentation's own inference."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.config import Config
from mmseg.apis import inference_model
from torch import nn
from torch.nn import functional as F

from mmseg_bisenet_lite.apis.peers import PEERS, peer_config
from mmseg_bisenet_lite.benchmark.inference.candidates import frames_of
from mmseg_bisenet_lite.export.parity import mmseg_predictor
from mmseg_bisenet_lite.models.frame_to_mask import FrameToMask, Upsample
from mmseg_bisenet_lite.pretrained.loading import load_segmentor, read_config
from mmseg_bisenet_lite.utils.errors import InputError


@pytest.fixture(scope='module')
def segmentor(small_config, small_checkpoint):
    return load_segmentor('small', read_config(str(small_config)), str(small_checkpoint))


def with_head(root, path, **head):
    """Another network, of which the head's batch norms know nothing."""
    config = read_config(str(root / 'configs' / path))
    config.model.decode_head.update(head)
    torch.manual_seed(0)
    return load_segmentor(path, config, None)


@settings(max_examples=40)
@given(
    small=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    align_corners=st.booleans(),
    seed=st.integers(0, 99),
)
def test_the_margin_of_upsampled_scores_is_the_upsampled_margin(small, size, align_corners, seed):
    scores = torch.randn(2, 2, *small, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    both = F.interpolate(scores, size=size, mode='bilinear', align_corners=align_corners)
    once = F.interpolate(scores[:, 1:] - scores[:, :1], size=size, mode='bilinear', align_corners=align_corners)
    torch.testing.assert_close(once[:, 0], both[:, 1] - both[:, 0], rtol=0, atol=1e-12)
    # And so is the decision, but for margins that are nothing but rounding.
    decided = once[:, 0].abs() > 1e-12
    assert torch.equal((once[:, 0] > 0)[decided], both.argmax(1).bool()[decided])
    # The matrices are the same up-sampling.
    twice = Upsample(small, size, align_corners).double()(scores[:, :1])
    torch.testing.assert_close(
        twice, F.interpolate(scores[:, :1], size=size, mode='bilinear', align_corners=align_corners), rtol=0, atol=1e-5
    )


def test_with_whole_numbers_the_margin_is_exact_to_the_bit():
    """Up-sampling by 8 weighs with sixteenths, so in whole numbers no rounding hides a difference."""
    scores = torch.randint(-1000, 1000, (3, 2, 9, 7), generator=torch.Generator().manual_seed(0)).float()
    both = F.interpolate(scores, scale_factor=8, mode='bilinear', align_corners=False)
    margin = scores[:, 1:] - scores[:, :1]
    assert torch.equal(Upsample((9, 7), (72, 56), False)(margin)[:, 0], both[:, 1] - both[:, 0])
    assert torch.equal(F.interpolate(margin, scale_factor=8, mode='bilinear')[:, 0] > 0, both.argmax(1).bool())


@pytest.mark.parametrize('size', [(128, 64), (80, 48), (101, 67)])
def test_the_mask_is_mmsegmentations(segmentor, size):
    frames = torch.from_numpy(frames_of(size, batch=3))
    expected = np.stack([inference_model(segmentor, frame).pred_sem_seg.data[0].numpy() for frame in frames.numpy()])
    assert 0.05 < expected.mean() < 0.95
    for fixed in (size, None):
        mask, margin = FrameToMask(segmentor, margin=True, size=fixed)(frames)
        assert mask.dtype == torch.uint8
        assert mask.shape == margin.shape == (3, *size[::-1])
        assert (mask.numpy() != expected).mean() < 1e-4
        assert torch.equal(mask.bool(), margin > 0)
    logits = inference_model(segmentor, frames[0].numpy()).seg_logits.data
    assert margin[0].numpy() == pytest.approx((logits[1] - logits[0]).numpy(), abs=1e-3 * float(logits.abs().max()))


@pytest.mark.parametrize(
    ('path', 'head'),
    [
        ('r18_ce_vehicle.py', {}),
        ('lite_hinge_vehicle.py', dict(out_channels=1)),
        ('lite_ce_vehicle.py', dict(out_channels=1, loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True))),
    ],
)
def test_every_form_of_the_head(root, path, head):
    network = with_head(root, path, **head)
    frame = frames_of((96, 64), 1)
    if head:  # the initial weights' scores lie close together, so the threshold is set between them
        network.decode_head.threshold = float(inference_model(network, frame[0]).seg_logits.data.median())
    expected = inference_model(network, frame[0]).pred_sem_seg.data[0]
    if head:
        assert 0.3 < expected.float().mean() < 0.7
    mask = FrameToMask(network, size=(96, 64))(torch.from_numpy(frame))
    assert (mask[0] != expected).float().mean() < 1e-3


def test_batch_norms_and_auxiliary_heads_are_gone_and_the_segmentor_is_left_alone(segmentor):
    before = copy.deepcopy(segmentor.state_dict())
    graph = FrameToMask(segmentor, torch.bfloat16, size=(64, 64))
    assert not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in graph.modules())
    assert not any('auxiliary' in name for name, _ in graph.named_modules())
    # And two scores and the division are parts of convolutions.
    assert graph.normalise.std is None
    assert graph.segmentor.decode_head.conv_seg.out_channels == 1
    after = segmentor.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(value, after[key]) for key, value in before.items())


@pytest.mark.parametrize('peer', PEERS)
def test_mmsegmentations_own_networks(peer):
    """DDRNet and PIDNet normalise before they convolve in places, ICNet and others do not only convolve the image."""
    torch.manual_seed(0)
    network = load_segmentor(peer, peer_config(peer), None)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    frame = frames_of((128, 64), 1)
    expected = mmseg_predictor(network)(frame[0])  # inference_model would resize the frame, as these configs have it
    mask = FrameToMask(network, size=(128, 64))(torch.from_numpy(frame))
    assert (mask[0].numpy() != expected).mean() < 1e-3


def test_what_cannot_be_folded_is_left_as_it_is(segmentor):
    class Steep(type(segmentor.decode_head)):
        def cls_seg(self, feat):
            return super().cls_seg(feat) * 3

    class Large(type(segmentor.backbone)):
        def forward(self, image):
            if min(image.shape[2:]) < 96:
                raise ValueError('too small')
            return super().forward(image)

    frame = torch.from_numpy(frames_of((128, 96), 1))
    plain = FrameToMask(segmentor, margin=True)(frame)[1]
    steep, large = copy.deepcopy(segmentor), copy.deepcopy(segmentor)
    steep.decode_head.__class__, large.backbone.__class__ = Steep, Large
    graph = FrameToMask(steep, margin=True)
    assert graph.segmentor.decode_head.conv_seg.out_channels == 2
    torch.testing.assert_close(graph(frame)[1], 3 * plain, rtol=1e-3, atol=1e-3)
    for size, std in ((None, True), ((128, 96), False)):  # of frames of any size none may be known that it takes
        graph = FrameToMask(large, margin=True, size=size)
        assert (graph.normalise.std is not None) == std
        torch.testing.assert_close(graph(frame)[1], plain, rtol=1e-3, atol=1e-3)


def test_what_cannot_be_exported_is_said(root, segmentor):
    class OwnWay(type(segmentor.decode_head)):
        def predict_by_feat(self, seg_logits, batch_img_metas):
            return seg_logits

    many = with_head(root, 'lite_ce_vehicle.py', num_classes=19, out_channels=19)
    slide, own, padded = (copy.deepcopy(segmentor) for _ in range(3))
    slide.test_cfg.mode = 'slide'
    own.decode_head.__class__ = OwnWay
    padded.cfg = Config(copy.deepcopy(segmentor.cfg._cfg_dict.to_dict()))
    padded.cfg.model.data_preprocessor.test_cfg = dict(size_divisor=32)
    for network, message in (
        (many, 'num_classes=19, out_channels=19: the exported graph is for two classes'),
        (slide, "test_cfg.mode='slide': the exported graph takes the whole frame"),
        (own, 'OwnWay: only heads that use predict_by_feat of BaseDecodeHead'),
        (padded, r'data_preprocessor\.test_cfg: the exported graph does not pad'),
    ):
        with pytest.raises(InputError, match=message):
            FrameToMask(network)

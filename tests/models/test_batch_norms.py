"""Folding against the network that has its batch norms; how they are fed in training, test_bisenet_lite.py tests."""

import copy

import pytest
import torch
from mmcv.cnn import ConvModule

from mmseg_bisenet_lite.apis.peers import PEERS, peer_config
from mmseg_bisenet_lite.compat import mim_folder
from mmseg_bisenet_lite.models.batch_norms import batch_norms, fold_batch_norms
from mmseg_bisenet_lite.pretrained.loading import load_segmentor, read_config


def network(name):
    if name in PEERS:
        return load_segmentor(name, peer_config(name), None)
    return load_segmentor(name, read_config(str(mim_folder('mmseg_bisenet_lite') / 'configs' / f'{name}.py')), None)


@torch.no_grad()
@pytest.mark.parametrize(
    'name', ['camvid/lite-s_hinge_human', 'lite_hinge_vehicle', 'r18_ce_vehicle', 'fastscnn', 'ddrnet23-slim', 'cgnet']
)
def test_a_folded_network_computes_the_same(name):
    torch.manual_seed(0)
    plain = network(name).double().eval()
    for norm in batch_norms(plain):  # as if trained: not the 0 and 1 of a new network
        for value, low in ((norm.weight, 0.5), (norm.running_var, 0.5), (norm.bias, -0.5), (norm.running_mean, -0.5)):
            value.copy_(torch.rand_like(value) + low)
    folded = copy.deepcopy(plain)
    fold_batch_norms(folded)
    image = torch.randn(1, 3, 64, 96, dtype=torch.float64)
    expected, found = (net.decode_head(net.extract_feat(image)) for net in (plain, folded))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9 * expected.abs().max().item())
    # Norms that come before a convolution, or after two, cannot be folded.
    assert bool(batch_norms(folded)) == (name in ('ddrnet23-slim', 'cgnet'))
    assert len(batch_norms(folded)) < len(batch_norms(plain))


@pytest.mark.parametrize('between', [torch.nn.ReLU(), torch.nn.Sequential(torch.nn.ReLU())])
def test_a_norm_that_does_not_directly_follow_stays(between):
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), between, torch.nn.BatchNorm2d(8)).eval()
    fold_batch_norms(module)
    assert len(batch_norms(module)) == 1


@torch.no_grad()
@pytest.mark.parametrize(
    ('order', 'left'),
    [(('conv', 'norm', 'act'), 0), (('conv', 'act', 'norm'), 1), (('norm', 'conv', 'act'), 1), (('act', 'conv', 'norm'), 0)],
)
def test_every_order_of_mmcvs_module(order, left):
    module = ConvModule(4, 4, 3, norm_cfg=dict(type='BN'), order=order).eval()
    for value in (module.norm.running_mean, module.norm.running_var):
        value.copy_(torch.rand(4) + 0.5)
    image = torch.randn(1, 4, 8, 8)
    expected = module(image)
    fold_batch_norms(module)
    torch.testing.assert_close(module(image), expected)
    assert len(batch_norms(module)) == left

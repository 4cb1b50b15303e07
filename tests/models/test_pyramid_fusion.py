import pytest
import torch
from mmseg.models.backbones import FastSCNN
from mmseg.registry import MODELS

from mmseg_bisenet_lite import PyramidFusion
from mmseg_bisenet_lite.models.batch_norms import batch_norms
from mmseg_bisenet_lite.utils.errors import InputError


def maps(channels=(4, 6, 8, 10), size=(64, 96), images=2):
    """Maps at strides 4, 8, 16 and 32 of images of (height, width)."""
    return tuple(
        torch.randn(images, c, *(-(-side // stride) for side in size))
        for c, stride in zip(channels, (4, 8, 16, 32), strict=True)
    )


@torch.no_grad()
def test_it_is_fast_scnns():
    """With the weights of MMSegmentation's network, it has the outputs of that network's parts."""
    torch.manual_seed(0)
    theirs = FastSCNN().eval()
    for norm in batch_norms(theirs):  # as if trained
        norm.running_mean.copy_(torch.randn_like(norm.running_mean))
        norm.running_var.copy_(torch.rand_like(norm.running_var) + 0.5)
    last = theirs.global_feature_extractor
    ours = PyramidFusion(in_channels=(64, 128)).eval()
    for own, other in ((ours.pyramid, last.ppm), (ours.context, last.out), (ours.fusion, theirs.feature_fusion)):
        own.load_state_dict(other.state_dict())
    image = torch.randn(2, 3, 96, 160)
    higher, lower, fused = theirs(image)
    map32 = last.bottleneck3(last.bottleneck2(last.bottleneck1(higher)))
    found = ours((torch.empty(2, 1, 24, 40), higher, torch.empty(2, 1, 6, 10), map32))
    for own, other in zip(found, (fused, lower, higher), strict=True):
        assert torch.equal(own, other)


@pytest.mark.parametrize('size', [(64, 96), (527, 952), (33, 65), (32, 32)])  # (height, width)
def test_shapes(size):
    neck = PyramidFusion(in_channels=(6, 10), out_channels=12, pool_scales=(1, 4)).eval()
    fused, context, map8 = neck(given := maps(size=size))
    assert map8 is given[1]
    assert fused.shape == (2, 12, *map8.shape[2:])
    assert context.shape == (2, 12, *given[3].shape[2:])


def test_the_global_pool_reaches_every_pixel():
    neck = PyramidFusion(in_channels=(6, 10), pool_scales=(1,)).eval()
    given = maps(size=(256, 256))
    given[3].requires_grad_()
    neck(given)[0][:, :, 0, 0].sum().backward()
    assert (given[3].grad[:, :, -1, -1] != 0).any()


def test_the_norms_are_the_configs():
    neck = PyramidFusion(in_channels=(6, 10), norm_cfg=dict(type='BN', momentum=0.01))
    assert {norm.momentum for norm in batch_norms(neck)} == {0.01}
    grouped = PyramidFusion(in_channels=(6, 16), out_channels=16, norm_cfg=dict(type='GN', num_groups=2))
    assert not batch_norms(grouped)


def test_a_batch_of_one_image_trains():
    """The norm behind the global pool sees one value per channel: it alone keeps its running statistics."""
    neck = PyramidFusion(in_channels=(6, 10))
    before = {name: value.clone() for name, value in neck.named_buffers()}
    neck(maps(images=1))[0].sum().backward()
    kept = {name.rpartition('.')[0] for name, value in neck.named_buffers() if torch.equal(value, before[name])}
    assert kept == {'pyramid.0.1.bn'}
    assert all(torch.isfinite(weight.grad).all() for weight in neck.parameters())
    assert all(norm.training for norm in batch_norms(neck))


def test_norms_can_keep_their_statistics():
    neck = PyramidFusion(in_channels=(6, 10), norm_eval=True).train()
    assert neck.training
    assert not any(norm.training for norm in batch_norms(neck))


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        (maps((4, 6, 8, 12)), r'maps of \[4, 6, 8, 12\] channels; four are needed, the second and the last with 6 and 10'),
        (maps((4, 6, 8, 10))[:3], r'maps of \[4, 6, 8\] channels; four are needed'),
    ],
)
def test_maps_that_do_not_fit(given, message):
    with pytest.raises(InputError, match=message):
        PyramidFusion(in_channels=(6, 10))(given)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(in_channels=(6, 8, 10)), r'in_channels=\(6, 8, 10\): give two numbers'),
        (dict(in_channels=(6, 10), pool_scales=()), r'pool_scales=\(\): give 1 to 10 numbers'),
        (dict(in_channels=(6, 2), pool_scales=(1, 2, 3)), r'pool_scales=\(1, 2, 3\): give 1 to 2 numbers'),
    ],
)
def test_wrong_settings(options, message):
    with pytest.raises(InputError, match=message):
        PyramidFusion(**options)


def test_it_is_registered_as_a_neck():
    assert isinstance(MODELS.build(dict(type='PyramidFusion', in_channels=(6, 10))), PyramidFusion)

import pytest
from mmcv.transforms import LoadAnnotations as MMCVLoadAnnotations
from mmengine.model import BaseModule
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.models.backbones import ResNetV1c
from mmseg.registry import TRANSFORMS

from mmseg_bisenet_lite.utils.registry import class_of, parameters_of


@pytest.mark.parametrize(
    ('kind', 'expected'),
    [
        ('LoadAnnotations', LoadAnnotations),
        ('mmseg.LoadAnnotations', LoadAnnotations),
        ('mmseg.datasets.transforms.LoadAnnotations', LoadAnnotations),
        (LoadAnnotations, LoadAnnotations),
        ('mmcv.LoadAnnotations', MMCVLoadAnnotations),
        ('mmcv.transforms.LoadAnnotations', MMCVLoadAnnotations),
        ('Nothing', None),
        ('mmseg.Nothing', None),
        ('no.such.package.Nothing', None),
        (print, None),
        (None, None),
    ],
)
def test_every_spelling_of_a_type(kind, expected):
    assert class_of(TRANSFORMS, kind) is expected


class Wrapper(BaseModule):
    """As MMSegmentation's TIMMBackbone: what it takes goes to another library."""

    def __init__(self, name, init_cfg=None, **kwargs):
        super().__init__(init_cfg)
        self.kwargs = kwargs


@pytest.mark.parametrize(
    ('kind', 'names', 'others'),
    [
        (ResNetV1c, {'depth', 'norm_cfg', 'frozen_stages'}, False),
        (Wrapper, {'name', 'init_cfg'}, True),
        (lambda a, b=1: a, {'a', 'b'}, False),
        (lambda a, **kwargs: a, {'a'}, True),
        (dict, set(), True),
    ],
)
def test_arguments_that_are_handed_on_count(kind, names, others):
    found, more = parameters_of(kind)
    assert names <= found.keys()
    assert more == others

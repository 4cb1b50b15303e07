import pytest
from mmcv.transforms import LoadAnnotations as MMCVLoadAnnotations
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import TRANSFORMS

from mmseg_bisenet_lite.utils.registry import class_of


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

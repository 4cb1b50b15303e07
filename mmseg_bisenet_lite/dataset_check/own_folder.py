"""A folder of photographs and masks of one's own, without a config."""

from pathlib import Path
from typing import Any

from mmseg_bisenet_lite.utils.errors import InputError

LOADERS = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]


def folder_datasets(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the configs of the data sets in a folder with ``NAME`` and ``NAMEannot``, such as ``train`` and ``trainannot``.

    A folder ``test`` may be without masks.

    Raises:
        InputError: There are no such folders.
    """
    children = {child.name for child in folder.iterdir() if child.is_dir()}
    paired = {name for name in children if f'{name}annot' in children}
    names = sorted(paired | ({'train', 'val', 'test'} & children), key=lambda name: (name != 'train', name == 'test', name))
    if not paired:
        raise InputError(
            f'{folder}: holds no photographs and masks in folders such as train and trainannot, val and valannot; make them '
            'with convert-masks, or give a config'
        )
    return {
        name: dict(
            type='BinaryMaskDataset',
            data_root=str(folder),
            data_prefix=dict(img_path=name, seg_map_path=None if name == 'test' and name not in paired else f'{name}annot'),
            pipeline=LOADERS,
        )
        for name in names
    }

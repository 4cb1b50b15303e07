"""A folder of photographs and masks of one's own, without a config."""

from pathlib import Path
from typing import Any

import numpy as np
from mmseg.registry import DATASETS
from PIL import Image

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
            f'{folder}: holds no photographs and masks in folders such as train and trainannot, val and valannot; for another '
            'layout give a config'
        )
    values = _values(folder / f'{next(name for name in names if name in paired)}annot')
    return {
        name: _config(folder, name, None if name == 'test' and name not in paired else f'{name}annot', values) for name in names
    }


def _config(folder: Path, images: str, masks: str | None, values: dict[int, str]) -> dict[str, Any]:
    """Return the config of one data set; if its masks are faulty, that of one which takes them as they are meant.

    ``BinaryMaskDataset`` finds out what the masks mean, and its first doubt would hide all other faults.
    """
    usual = dict(data_root=str(folder), data_prefix=dict(img_path=images, seg_map_path=masks), pipeline=LOADERS)
    try:
        DATASETS.build(dict(type='BinaryMaskDataset', lazy_init=True, **usual)).find_pairs()
    except InputError:
        return dict(type='BinarySegDataset', values=values, **usual)
    return dict(type='BinaryMaskDataset', **usual)


def _values(folder: Path) -> dict[int, str]:
    """Return what the masks' values mean: 0 and 1, or 0 and 255, as the first mask with a foreground has them."""
    white = 255
    for file in sorted(folder.rglob('*.png')):
        try:
            with Image.open(file) as image:
                largest = 255 if image.mode == '1' and image.getextrema()[1] else int(np.asarray(image).max())
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            continue  # the check tells it
        if largest:
            white = 1 if largest == 1 else 255
            break
    return {0: 'background', white: 'foreground'}

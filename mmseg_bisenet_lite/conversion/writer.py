"""Write the folders that BinaryMaskDataset reads, and a config for them."""

import os
import random
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np

from mmseg_bisenet_lite.utils.console import ReportProgress
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.images import write_image


@dataclass(frozen=True)
class Item:
    """An image with its mask.

    Attributes:
        name: Name of the image, perhaps with folders.
        image: The file.
        mask: Returns the mask, (height, width), uint8; or the file of one.
        foreground: Whether the mask has foreground, as far as known.
    """

    name: str
    image: Path
    mask: Callable[[], np.ndarray] | Path
    foreground: bool = True


def split(items: Sequence[Item], val: float | str) -> dict[str, list[Item]]:
    """Return the items of train and val.

    Args:
        items: All.
        val: Share of val, drawn at random, always the same; from the images with and without foreground alike. Or a pattern of
            the names of its images, such as ``'drive3_*'``.

    Raises:
        InputError: One of the two would be empty.
    """
    if isinstance(val, str):
        chosen = {item.name for item in items if fnmatch(item.name, val)}
    else:
        chosen = set()
        for kind in (True, False):
            names = sorted(item.name for item in items if item.foreground == kind)
            chosen |= set(random.Random(0).sample(names, round(val * len(names)) or (kind and len(names) > 1)))  # noqa: S311
        chosen = chosen or {items[-1].name}
    parts = {
        'train': [item for item in items if item.name not in chosen],
        'val': [item for item in items if item.name in chosen],
    }
    for part, those in parts.items():
        if not those:
            raise InputError(f'--val {val}: leaves none of {len(items)} images for {part}')
    return parts


def write(
    items: Sequence[Item], out: Path, val: float | str, options: dict[str, Any], progress: ReportProgress
) -> dict[str, int]:
    """Write the folders of train and val, and a config; return the number of images of both.

    The folder gets its name when all is there.

    Args:
        items: Images with their masks.
        out: The folder; it does not exist, or is empty.
        val: See :func:`split`.
        options: Arguments of BinaryMaskDataset for the config.
        progress: Called for each image.

    Raises:
        InputError: The folder is not empty, or two images would have one mask.
    """
    check_out(out)
    stems: dict[str, str] = {}
    for item in items:
        if Path(item.name).is_absolute() or '..' in Path(item.name).parts:
            raise InputError(f'{item.name}: an image must lie below its folder')
        stem = item.name.removesuffix(Path(item.name).suffix)
        if twin := stems.get(stem):
            same = 'is annotated twice' if twin == item.name else f'and {twin} differ only in their endings'
            raise InputError(f'{item.name} {same}, so there would be two masks of one name; rename or remove one')
        stems[stem] = item.name
    parts = split(items, val)
    out.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f'.{out.name}.', dir=out.parent))  # only its owner may enter it
    temporary = made / out.name
    temporary.mkdir()
    try:
        done = 0
        for part, those in parts.items():
            for item in those:
                progress(f'{part}: {item.name}', done / len(items))
                _write_item(item, temporary / part, temporary / f'{part}annot')
                done += 1
        (temporary / f'{config_name(out)}.py').write_text(config_text(out, options), encoding='utf-8')
        with suppress(FileNotFoundError):
            out.rmdir()
        temporary.rename(out)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return {part: len(those) for part, those in parts.items()}


def check_out(out: Path) -> None:
    """Raise an error if a folder has something in it, or has no name of its own to get when all is there."""
    if out.name in ('', '..'):
        raise InputError(f'--out {out}: give a folder by its name, such as data/mine')
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f'{out}: is not empty; remove it, or give another --out')


def config_name(out: Path) -> str:
    """Return the name of the config, without its ending: that of the folder, for file names and modules."""
    return re.sub(r'\W+', '_', out.resolve().name)


def config_text(out: Path, options: dict[str, Any]) -> str:
    """Return the config for a folder."""
    arguments = ', '.join(f'{key}={value!r}' for key, value in dict(data_root=str(out), **options).items())
    return (
        '# Yours to change; configs/own/README.md of mmseg-bisenet-lite says what else can be set.\n'
        "_base_ = 'mmseg_bisenet_lite::own/lite_hinge.py'\n"
        f'mine = dict({arguments})\n'
        'train_dataloader = val_dataloader = test_dataloader = dict(dataset=mine)\n'
        f'work_dir = {f"work_dirs/{config_name(out)}"!r}\n'
    )


def _write_item(item: Item, images: Path, masks: Path) -> None:
    image = images / item.name
    suffix = item.mask.suffix.lower() if isinstance(item.mask, Path) else '.png'
    mask = masks / f'{item.name.removesuffix(image.suffix)}{suffix}'
    for file in (image, mask):
        file.parent.mkdir(parents=True, exist_ok=True)
    _link(item.image, image)
    if isinstance(item.mask, Path):  # a copy: whoever mends the masks of the data set does not want to lose his own
        with as_input_error(f'{item.mask}: cannot be copied', FileNotFoundError, PermissionError):
            shutil.copyfile(item.mask, mask)
    else:
        write_image(mask, item.mask())


def _link(file: Path, target: Path) -> None:
    with as_input_error(f'{file}: cannot be read', FileNotFoundError, PermissionError):
        try:
            os.link(file.resolve(), target)
        except FileNotFoundError:
            raise
        except OSError:  # another disk, or a file system without links
            shutil.copy2(file, target)

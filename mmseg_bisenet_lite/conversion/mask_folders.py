"""Folders of images and of masks that are there already, without a split; also CVAT's "Segmentation mask 1.1"."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmseg_bisenet_lite.conversion.labels import FOREGROUND, IGNORE, value_of_each_label
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.files import files_below
from mmseg_bisenet_lite.utils.images import LOSSLESS, is_image, named

LABELS = 'labelmap.txt'  # of CVAT

_IMAGES = ('images', 'image', 'imgs', 'img', 'jpegimages')
_MASKS = ('masks', 'mask', 'labels', 'segmentationclass')
_ENDINGS = ('', '_mask', '-mask', '_label', '_gt')  # of a mask's name, after the image's


@dataclass(frozen=True)
class Pairs:
    """Images with their masks.

    Attributes:
        pairs: (name of the image relative to its folder, the image, the mask).
        without: Images that have no mask.
        name: Name of the foreground.
        options: What BinaryMaskDataset has to know about the masks.
    """

    pairs: list[tuple[str, Path, Path]]
    without: list[Path]
    name: str
    options: dict[str, Any]


def folders_in(source: Path, images: Path | None = None) -> tuple[Path | None, Path | None]:
    """Return the folders of images and of masks in a folder, by their usual names; ``images`` is given."""
    there = {entry.name.lower(): entry for entry in sorted(source.iterdir()) if entry.is_dir()}
    first, second = (next((there[name] for name in names if name in there), None) for names in (_IMAGES, _MASKS))
    return images or first, second


def read_folders(images: Path, masks: Path, name: str, options: dict[str, Any]) -> Pairs:
    """Return the images of a folder with the masks of the same names, or of those with ``_mask`` at the end.

    Raises:
        InputError: There are no pairs; masks are JPEG, or of several formats; or two are of one image.
    """
    found: dict[str, Path] = {}
    for file in _files(masks):
        if (twin := found.setdefault(file.relative_to(masks).with_suffix('').as_posix(), file)) is not file:
            raise InputError(f'{twin} and {file} are two masks of one image; remove one')
    pairs, without = [], []
    for image in _files(images):
        relative = image.relative_to(images)
        stem = relative.with_suffix('').as_posix()
        mask = next((found[stem + ending] for ending in _ENDINGS if stem + ending in found), None)
        if mask is None:
            without.append(image)
        else:
            pairs.append((relative.as_posix(), image, mask))
    if not pairs:
        raise InputError(f'{masks}: no image in {images} has a mask of its name here (images: {named(without, 3)})')
    if lossy := [mask for _, _, mask in pairs if mask.suffix.lower() not in LOSSLESS]:
        raise InputError(
            f'{named(lossy, 3)}: masks must be {", ".join(LOSSLESS)}, since JPEG blurs them; export them from their source '
            'again'
        )
    endings = {mask.suffix.lower(): mask for _, _, mask in pairs}
    if len(endings) > 1:
        raise InputError(f'{named([*endings.values()], 5)}: masks of several formats; save them all in one, such as PNG')
    return Pairs(pairs, without, name, options)


def colours_of(file: Path, foreground: Sequence[str], background: Sequence[str], ignore: Sequence[str]) -> dict[str, list[str]]:
    """Return the options of BinaryMaskDataset for masks whose colours CVAT's ``labelmap.txt`` names.

    Raises:
        InputError: The file is not as CVAT writes it, or a label is not in it.
    """
    colours: dict[str, str] = {}
    with as_input_error(f'{file}: not as CVAT writes it (label:red,green,blue::)', ValueError, IndexError):
        for line in file.read_text(encoding='utf-8').splitlines():
            if line.strip() and not line.startswith('#'):
                label, colour = line.split(':')[:2]
                colours[label] = '#' + bytes(map(int, colour.split(','))).hex()
    values = value_of_each_label(dict.fromkeys(colours, 1), foreground, background, ignore, str(file))
    of_value = {value: [colours[label] for label in colours if values[label] == value] for value in values.values()}
    options = dict(foreground=of_value[FOREGROUND], background=of_value.get(0), ignore=of_value.get(IGNORE))
    return {key: value for key, value in options.items() if value}


def _files(folder: Path) -> list[Path]:
    with as_input_error(f'{folder}: cannot be read', OSError):
        if not folder.is_dir():
            raise InputError(f'{folder}: there is no such folder')
        return [file for file in files_below(folder) if is_image(file)]

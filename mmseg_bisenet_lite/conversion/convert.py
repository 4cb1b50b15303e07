"""Convert annotations, or folders of images and masks, whatever they come from."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmseg_bisenet_lite.conversion.coco import read_coco
from mmseg_bisenet_lite.conversion.cvat import CVAT, read_cvat
from mmseg_bisenet_lite.conversion.labelme import files_in, read_labelme
from mmseg_bisenet_lite.conversion.labels import IGNORE, REST, value_of_each_label
from mmseg_bisenet_lite.conversion.mask_folders import LABELS, Pairs, colours_of, folders_in, read_folders
from mmseg_bisenet_lite.conversion.shapes import Annotated, draw
from mmseg_bisenet_lite.conversion.writer import Item, check_out, config_name, write
from mmseg_bisenet_lite.utils.console import ReportProgress
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.files import files_below
from mmseg_bisenet_lite.utils.images import check_image, is_image, named

if TYPE_CHECKING:
    from mmseg_bisenet_lite.datasets.mask_meaning import MaskMeaning

UNDERSTOOD = (
    'a folder with JSON files of labelme; annotations.xml of CVAT (CVAT for images 1.1) or the folder with it; a JSON file in '
    "COCO's format; CVAT's Segmentation mask 1.1; or a folder with images/ and masks/"
)


@dataclass(frozen=True)
class ConvertConfig:
    """What to convert, and how; the attributes are the options of ``tools/convert_masks.py``.

    Attributes:
        source: Annotations, or a folder of images with ``masks``.
        out: Folder to write; it does not exist, or is empty.
        foreground: Labels of the foreground; of masks, values or colours.
        background: The same of the background; ``['rest']`` is all that nothing else names.
        ignore: The same of pixels that do not count.
        name: Name of the class; ``None`` is the first label of the foreground.
        images: Folder of the images, where it is not where the annotations say.
        masks: Folder of the masks of the images in ``source``.
        val: See :func:`~mmseg_bisenet_lite.conversion.writer.split`.
        line_width: Width in pixels of what is annotated with lines.
        skip_empty: Leave out images that have an annotation without a shape; otherwise they are background.
    """

    source: Path
    out: Path
    foreground: Sequence[str] = ()
    background: Sequence[str] = ()
    ignore: Sequence[str] = ()
    name: str | None = None
    images: Path | None = None
    masks: Path | None = None
    val: float | str = 0.2
    line_width: float | None = None
    skip_empty: bool = False


@dataclass
class _Counts:
    """What has been drawn."""

    pixels: Counter = field(default_factory=Counter)

    def mask_of(self, annotated: Annotated, values: dict[str, int], line_width: float | None) -> np.ndarray:
        """Return the mask of an image that has been found to have the size of its annotation."""
        with as_input_error(f'{annotated.source}: its image {annotated.image} cannot be read', OSError):
            header = check_image(annotated.image.read_bytes(), str(annotated.image))
        size = (header.width, header.height)
        size = size[::-1] if header.orientation > 4 else size
        if size != annotated.size:
            raise InputError(
                f'{annotated.source}: annotated at {annotated.size[0]}x{annotated.size[1]}, but {annotated.image} is '
                f'{size[0]}x{size[1]}; give the image that was annotated'
            )
        mask = draw(annotated, values, line_width)
        self.pixels.update(dict(enumerate(np.bincount(mask.ravel(), minlength=256).tolist())))
        return mask


def convert(config: ConvertConfig, progress: ReportProgress) -> list[str]:
    """Convert, and return what there is to say about it, line by line.

    Raises:
        InputError: The source is not understood, something in it is wrong, or a label is neither foreground nor background.
    """
    check_out(config.out)
    if not config.source.exists():
        raise InputError(f'{config.source}: there is no such file or folder')
    pairs = _pairs(config)
    return _convert_shapes(config, progress) if pairs is None else _convert_pairs(config, pairs, progress)


def _pairs(config: ConvertConfig) -> Pairs | None:
    """Return images with masks that are there already; ``None`` if the source is annotations."""
    source = config.source
    folders: tuple[Path | None, Path | None] = (source, config.masks)
    if config.masks is None:
        if not source.is_dir() or (source / CVAT).is_file():
            return None
        folders = folders_in(source, config.images)
    images, masks = folders
    if images is None or masks is None:
        return None
    if (source / LABELS).is_file():
        options = colours_of(source / LABELS, config.foreground, config.background, config.ignore)
        return read_folders(images, masks, config.foreground[0], options)
    return read_folders(images, masks, 'foreground', _options(config))


def _options(config: ConvertConfig) -> dict[str, Any]:
    given = dict(foreground=config.foreground, background=config.background, ignore=config.ignore)
    return {key: value[0] if len(value) == 1 else [*value] for key, value in given.items() if value}


def _read(config: ConvertConfig) -> Iterator[Annotated]:
    source = config.source
    if (source / CVAT).is_file():
        source = source / CVAT
    if source.is_dir():
        if files_in(source):
            return read_labelme(source, config.images)
        files = [file for file in files_below(source, '*.json') if b'"categories"' in file.read_bytes()]
        if len(files) == 1:
            return read_coco(files[0], config.images)
        several = f' (choose one of {named(files)})' if files else ''
        raise InputError(f'{source}: nothing here is understood{several}; give {UNDERSTOOD}')
    match source.suffix.lower():
        case '.xml':
            return read_cvat(source, config.images)
        case '.json':
            return read_coco(source, config.images)
        case '.zip':
            raise InputError(f'{source}: unpack it, and give the folder')
    raise InputError(f'{source}: not understood; give {UNDERSTOOD}')


def _convert_shapes(config: ConvertConfig, progress: ReportProgress) -> list[str]:
    progress('reading annotations', 0.0)
    annotated = list(_read(config))
    if not annotated:
        raise InputError(f'{config.source}: no image is annotated here; give {UNDERSTOOD}')
    labels = Counter(shape.label for each in annotated for shape in each.shapes)
    values = value_of_each_label(labels, config.foreground, config.background, config.ignore, str(config.source))
    empty = [each for each in annotated if not each.shapes]
    taken = [each for each in annotated if each.shapes or not config.skip_empty]
    if missing := [each for each in taken if not each.image.is_file()]:
        raise InputError(
            f'{missing[0].source}: its image {missing[0].image} is missing ({len(missing)} of {len(taken)} are); put it '
            'there, or give the folder with --images'
        )
    files: dict[Path, Annotated] = {}
    for each in taken:
        if (twin := files.setdefault(each.image.resolve(), each)).name != each.name:
            raise InputError(f'{each.source}: its image {each.image} is that of {twin.source} too; check --images')
    counts = _Counts()
    chosen = set(config.foreground)
    items = [
        Item(
            each.name,
            each.image,
            lambda each=each: counts.mask_of(each, values, config.line_width),  # type: ignore[misc]
            any(shape.label in chosen for shape in each.shapes),
        )
        for each in taken
    ]
    name = config.name or config.foreground[0]
    options: dict[str, Any] = dict(name=name, foreground=255)
    if IGNORE in values.values():
        options['ignore'] = IGNORE
    parts = write(items, config.out, config.val, options, progress)
    lines = [_written(config, parts)]
    background = [f'{label} ({labels[label]} shapes)' for label, value in sorted(values.items()) if value == 0]
    lines += [f'background: {", ".join(background)}'] if background else []
    absent = [label for label in (*config.background, *config.ignore) if label not in labels and label != REST]
    lines += [f'no shape here has the label {", ".join(absent)}'] if absent else []
    lines.append(f'{name}: {100 * counts.pixels[255] / max(1, sum(counts.pixels.values())):.3g} % of the pixels')
    if empty:
        told = 'left out' if config.skip_empty else 'background only'
        lines.append(
            f'{told}, since nothing is annotated in them: {len(empty)} images: {named([each.name for each in empty], 4)}'
        )
    known = {each.image.resolve() for each in annotated}
    folders = {each.image.parent for each in taken}
    images = [file for folder in sorted(folders) for file in sorted(folder.iterdir()) if file.is_file() and is_image(file)]
    return lines + _left_out([file for file in images if file.resolve() not in known])


def _convert_pairs(config: ConvertConfig, pairs: Pairs, progress: ReportProgress) -> list[str]:
    from mmseg_bisenet_lite.compat import require_host

    require_host()  # for the data set, which knows what masks mean
    from mmseg_bisenet_lite.datasets.mask_keys import UnknownValuesError
    from mmseg_bisenet_lite.datasets.mask_meaning import GivenKeys
    from mmseg_bisenet_lite.datasets.mask_search import UnclearMasksError, find_meaning

    name = config.name or pairs.name
    masks = [str(mask) for _, _, mask in pairs.pairs]
    folder, given = str(pairs.pairs[0][2].parent), GivenKeys(**pairs.options)
    try:
        meaning = find_meaning(folder, masks, given, lambda path: Path(path).read_bytes())
        items = [Item(stem, image, mask, _has_foreground(mask, meaning)) for stem, image, mask in pairs.pairs]
    except (UnclearMasksError, UnknownValuesError) as error:
        raise InputError(f'{error.line} (here --foreground, --background and --ignore)') from error
    parts = write(items, config.out, config.val, dict(name=name, **pairs.options), progress)
    return [_written(config, parts), f'masks: {meaning.told(name)}', *_left_out(pairs.without)]


def _has_foreground(mask: Path, meaning: 'MaskMeaning') -> bool:
    """Read a mask as a training will, which raises an error for one that it would refuse; few are looked at before."""
    from mmseg_bisenet_lite.datasets.transforms import LoadBinaryAnnotations

    results: dict[str, Any] = dict(
        seg_map_path=str(mask), label_table=meaning.table(IGNORE), label_colours=meaning.colours, seg_fields=[]
    )
    return bool((LoadBinaryAnnotations()(results)['gt_seg_map'] == 1).any())


def _written(config: ConvertConfig, parts: dict[str, int]) -> str:
    file = config.out / f'{config_name(config.out)}.py'
    return f'{config.out}: {parts["train"]} images for train, {parts["val"]} for val; the config is {file}'


def _left_out(images: Sequence[Path]) -> list[str]:
    return [f'left out, since they have no annotation: {len(images)} images: {named(images, 4)}'] if images else []

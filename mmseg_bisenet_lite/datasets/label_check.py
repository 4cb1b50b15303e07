"""LabelCheck: read the label maps of a data set, and refuse values that it does not know and classes without a pixel."""

from collections.abc import Iterator
from typing import Any

from mmengine.dataset import BaseDataset
from PIL import ExifTags, Image, UnidentifiedImageError

from mmseg_bisenet_lite.datasets.label_maps import LabelReader, ValueTally, inner_datasets, whole_files
from mmseg_bisenet_lite.datasets.mask_keys import as_colour
from mmseg_bisenet_lite.datasets.metainfo import require_two_classes
from mmseg_bisenet_lite.utils.errors import InputError


class LabelCheck:
    """Check of all label maps of a data set, one file at a time.

    It reads each file as the data set's pipeline does, ours or MMSegmentation's, and reads a file with several tiles once. A
    wrong file is an error that names it. At the end, with two classes, both must have pixels: without foreground a network
    that finds nothing is perfect.

    Args:
        name: Name of the data set in messages, such as ``'train'``.
        dataset: The data set, or a wrapper such as ``ConcatDataset`` or ``RepeatDataset``.

    Attributes:
        checked: Number of label maps that have been read.
        unreadable: Types of the data sets whose label maps the check cannot read.
    """

    def __init__(self, name: str, dataset: Any) -> None:
        self.name = name
        self.checked = 0
        self.unreadable: list[str] = []
        self._sets = list(inner_datasets(dataset))
        self._tally = ValueTally((), 255)
        self._steps = self._walk()

    def step(self) -> bool:
        """Check one more label map; return whether there may be more.

        Raises:
            InputError: A label map is missing, damaged, of another size than its photograph, or has an unknown value; or all
                have been read, and a class has no pixel or there are none.
        """
        return next(self._steps, None) is not None

    def _walk(self) -> Iterator[str]:
        for dataset in self._sets:
            classes = dataset.metainfo.get('classes') if isinstance(dataset, BaseDataset) else None
            if not classes:
                self.unreadable.append(type(dataset).__name__)
                continue
            dataset.full_init()
            reader = LabelReader(dataset, self.name)
            self._tally.classes, self._tally.ignored = classes, reader.ignored
            if len(classes) == 2:
                require_two_classes(classes)
            infos = (dataset.get_data_info(index) for index in range(len(dataset)))
            for info in whole_files(info for info in infos if info.get('seg_map_path') is not None):
                if not self._check(info, reader):
                    self.unreadable.append(type(dataset).__name__)
                    break
                yield info['seg_map_path']
        if not self.checked and not self.unreadable:
            raise InputError(
                f'the {self.name} set has no photographs with label maps; check data_root, data_prefix and what chooses them'
            )
        if not self.unreadable and (problem := self._tally.problem(self.name)):
            raise InputError(problem)

    def _check(self, info: dict, reader: LabelReader) -> bool:
        try:
            size = _size(info['img_path'])
        except FileNotFoundError as error:
            raise reader.missing(info['img_path']) from error
        label = reader.read(info, size)
        if label is None:
            return False
        if label.stray:
            raise reader.stray_error(label)
        self.checked += 1
        self._tally.add(label)
        return True


def require_agreement(*datasets: Any) -> None:
    """Raise an error if the foreground of the masks of data sets is not the same and nobody has said so.

    Raises:
        InputError: Two of the data sets have masks of another foreground, and one of them has been found out.
    """
    sets = [inner for dataset in datasets for inner in inner_datasets(dataset) if getattr(inner, 'meaning', None) is not None]
    found = {frozenset(map(as_colour, inner.meaning.foreground)): inner for inner in sets}
    if len(found) > 1 and not all(inner.given.foreground for inner in sets):
        one, other = list(found.values())[:2]
        raise InputError(
            f'{one.data_prefix["seg_map_path"]} and {other.data_prefix["seg_map_path"]} do not agree: the masks of the first '
            f'are {one.meaning.told()}, those of the second {other.meaning.told()}; make them alike, or give both foreground='
        )


def _size(path: str) -> tuple[int, int] | None:
    """Return (height, width) of an image file, turned upright; ``None`` if only the loader can say."""
    if '://' in path:
        return None
    try:
        with Image.open(path) as image:
            # Of a TIFF it is the upright size already.
            sideways = image.format != 'TIFF' and image.getexif().get(ExifTags.Base.Orientation, 1) > 4
            return image.size if sideways else image.size[::-1]
    except FileNotFoundError:
        raise
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None

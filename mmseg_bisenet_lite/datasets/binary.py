"""BinarySegDataset: own masks, and the base of our two-class data sets, whose foreground is given by class names."""

import logging
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from mmengine import fileio
from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from mmseg_bisenet_lite.datasets.list_file import Names, read_list
from mmseg_bisenet_lite.datasets.sampler import SeededIndex
from mmseg_bisenet_lite.datasets.tiles import tile_paths
from mmseg_bisenet_lite.datasets.transforms.loading import CACHE_GIB, UNKNOWN, with_checked_loaders
from mmseg_bisenet_lite.datasets.vocabulary import VOID, Vocabulary, checked_values, class_names, class_table, label_table
from mmseg_bisenet_lite.utils.classes import are_class_numbers
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import SUFFIXES

_NOT_UTF_8 = re.compile('[\udc80-\udcff]')  # how Python names the bytes of such a file name


@dataclass(frozen=True)
class Pairs:
    """Photographs and label maps of a data set.

    Attributes:
        infos: The samples with both files, as MMSegmentation wants them.
        photographs: Number of photographs.
        label_maps: Number of label maps.
        missing: Label maps that photographs lack.
        unused: Label maps without a photograph.
        hint: What may be the reason for missing ones, to follow a message.
    """

    infos: list[dict]
    photographs: int
    label_maps: int
    missing: list[str]
    unused: list[str]
    hint: str


@DATASETS.register_module()
class BinarySegDataset(BaseSegDataset):
    """Own masks; or a two-class view of a data set with many classes: ``foreground``, and everything else that is not void.

    ``values`` says what the label values mean; a subclass may say it for all its users, with the file names. Photographs and
    label maps are paired when the data set is built, so a wrong folder or a missing file stops a training before it starts.

    Args:
        foreground: Names of the classes that are foreground.
        values: Name of each label value's class; ``None`` as the name marks ignored pixels. The default is ``VOCABULARIES``,
            which for masks of your own is 0 for the background and 255 for the foreground. A value that is not listed is an
            error.
        img_suffix: Suffix, or suffixes, of the photographs' names; the default is ``IMG_SUFFIXES``.
        seg_map_suffix: Suffix of the label maps' names: a key of ``VOCABULARIES``, by default the first with files; with
            ``values`` any suffix, by default the first key, such as ``.png``.
        ann_file: List of the photographs to take, see :func:`read_list`; the default is all below ``data_prefix``'s folder.
        metainfo: ``classes``: names of the background and of the foreground, in this order; ``palette``: their colours.
        tiles: (rows, columns) into which each photograph is cut; each tile is a sample of its own.
        keep_classes: Whether samples keep all classes, for networks that learn more than the foreground: a label is then the
            class's place in :func:`class_names`. For train alone: scores are of two classes.
        pipeline: Pipeline as in MMSegmentation; its loaders are replaced by checked ones that map the labels.
        ignore_index: Label of void pixels: 255, or a number from 2 to 253.
        cache_dir: Folder for decoded photographs and label maps. Each file is then decoded once, and only the used region of a
            photograph is read. ``None`` decodes a file each time it is drawn.
        cache_gib: Size limit of that folder, in GiB.
        **kwargs: Arguments of ``BaseSegDataset``; an unknown one is a ``TypeError``.

    Attributes:
        may_be_empty: Whether a folder without any of the chosen photographs is no fault.
        strict: Whether label maps that are missing or not understood are errors; a check that tells all faults sets it to
            ``False``.
        pairs: The photographs and label maps; ``None`` until the data set is loaded.
        kept_classes: Names of the classes in the order of their numbers, with ``keep_classes``.

    Raises:
        InputError: A foreground class is unknown, the two names are in the wrong order, a folder or label map is missing, two
            photographs have one label map, or a folder holds no photographs.
    """

    METAINFO: ClassVar[dict] = dict(classes=('background', 'foreground'), palette=[[0, 0, 0], [220, 20, 60]])
    IMG_SUFFIXES: ClassVar[tuple[str, ...]] = SUFFIXES
    # Suffix of the label maps' names -> value -> class name.
    VOCABULARIES: ClassVar[Mapping[str, Vocabulary]] = {'.png': {0: 'background', 255: 'foreground'}}
    # Folder layout, for error messages.
    LAYOUT: ClassVar[str] = "set data_root, and data_prefix's img_path and seg_map_path"

    def __init__(
        self,
        foreground: str | Sequence[str] = 'foreground',
        values: Mapping[int | str, str | None] | None = None,
        img_suffix: str | Sequence[str] | None = None,
        seg_map_suffix: str | None = None,
        tiles: Sequence[int] = (1, 1),
        keep_classes: bool = False,
        pipeline: Sequence[dict] = (),
        ignore_index: int = 255,
        cache_dir: str | None = None,
        cache_gib: float = CACHE_GIB,
        **kwargs: Any,
    ) -> None:
        foreground = (foreground,) if isinstance(foreground, str) else tuple(foreground)
        vocabularies = (
            self.VOCABULARIES if values is None else {seg_map_suffix or next(iter(self.VOCABULARIES)): checked_values(values)}
        )
        known = {name for vocabulary in vocabularies.values() for name in vocabulary.values() if name is not VOID}
        unknown = [name for name in foreground if name not in known]
        if unknown or not foreground:
            raise InputError(
                f'foreground={foreground!r}: choose from {", ".join(sorted(known))}, or say with values={{VALUE: NAME, ...}} '
                'what the label values mean'
            )
        if seg_map_suffix is not None and seg_map_suffix not in vocabularies:
            raise InputError(
                f'seg_map_suffix={seg_map_suffix!r}: choose from {", ".join(vocabularies)}, or say with values={{VALUE: NAME, '
                '...} what the label values mean'
            )
        if not isinstance(tiles, Sequence) or len(tiles) != 2 or not all(isinstance(n, int) and n > 0 for n in tiles):
            raise InputError(f'tiles={tiles!r}: give two whole numbers (rows, columns), each at least 1')
        if ignore_index not in (*range(2, UNKNOWN), 255):
            raise InputError(f'ignore_index={ignore_index}: give 255 or a number from 2 to 253, since label maps have 8 bits')
        if kwargs.get('reduce_zero_label'):
            raise InputError('reduce_zero_label=True: remove it; the two classes are 0 and 1, and neither is void')
        cache = {} if cache_dir is None else dict(cache_dir=cache_dir, cache_gib=cache_gib)
        most = max(len(class_names(vocabulary)) for vocabulary in vocabularies.values())
        if keep_classes and ignore_index < most:
            raise InputError(f'ignore_index={ignore_index} is one of the {most} classes that keep_classes=True keeps; give 255')
        for step in pipeline:
            if isinstance(step, Mapping) and step.get('foreground_prob'):
                _check_crops(step.get('foreground'), most if keep_classes else None)
        self.foreground = foreground
        self.vocabularies = vocabularies
        self.tiles = tuple(tiles)
        self.keep_classes = keep_classes
        self.label_table: np.ndarray | None = None
        self.class_table: np.ndarray | None = None
        self.kept_classes: tuple[str, ...] = ()
        self.may_be_empty = False
        self.strict = True
        self.pairs: Pairs | None = None
        super().__init__(
            img_suffix=self.IMG_SUFFIXES if img_suffix is None else img_suffix,
            seg_map_suffix=seg_map_suffix,
            pipeline=with_checked_loaders(pipeline, cache),
            ignore_index=ignore_index,
            **kwargs,
        )

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> None:
        """Return no map of class names: ``label_table`` maps the values, so ``metainfo`` may name the two classes."""

    def _update_palette(self) -> list:
        """Check the names of the two classes before their colours are looked up."""
        classes = self._metainfo.get('classes')
        names = [] if isinstance(classes, str) else [name for name in classes or () if isinstance(name, str)]
        given = f'metainfo.classes={classes!r}'
        if len(names) != 2 or len(set(names)) != 2:
            raise InputError(f'{given}: give two names, of the background and of the foreground')
        background, foreground = names
        known = {name for vocabulary in self.vocabularies.values() for name in vocabulary.values() if name is not VOID}
        told = ', '.join(self.foreground)
        usual = self.METAINFO['classes']
        if _has(background, *self.foreground, usual[1]) or _has(foreground, 'background', usual[0]):
            raise InputError(
                f'{given}: the order is (background, foreground), and the foreground is {told}; give '
                f'{(foreground, background)!r}, or change foreground'
            )
        if _has(foreground, *known) and not _has(foreground, *self.foreground):
            raise InputError(
                f'{given}: {foreground} is a class of the label maps, but the foreground is {told}; set '
                f'foreground={foreground!r}, or give the foreground another name'
            )
        if len(palette := self._metainfo.get('palette') or ()) not in (0, 2):
            raise InputError(f'metainfo.palette has {len(palette)} colours: give two, of the background and of the foreground')
        return list(super()._update_palette())

    def label_name(self, value: int) -> str:
        """Return a value of a label map for messages."""
        return str(value)

    def get_data_info(self, idx: int) -> dict:
        """Return the sample's paths, and the table that maps its label values."""
        return {**super().get_data_info(idx), 'label_table': self.label_table}

    def prepare_data(self, idx: int) -> Any:
        """Return a sample from the pipeline; the seed of a :class:`SeededIndex` determines its random draws."""
        if isinstance(idx, SeededIndex):
            random.seed(idx.seed)
            np.random.seed(idx.seed)
        return self.pipeline(self.sample_info(idx))

    def sample_info(self, idx: int) -> dict:
        """Return what the pipeline of a sample gets; with ``keep_classes`` that is another table than for checks."""
        info = self.get_data_info(idx)
        return {**info, 'label_table': self.class_table} if self.keep_classes else info

    def load_data_list(self) -> list[dict]:
        """Pair photographs with label maps, and set ``label_table`` for the kind of label maps that exist."""
        self.pairs = found = self.find_pairs()
        if not found.infos:
            self.serialize_data = False  # which fails without samples
        if not self.strict:
            return found.infos
        img_dir, ann_dir = (self.data_prefix.get(key) for key in ('img_path', 'seg_map_path'))
        if found.unused:
            print_log(
                f'{ann_dir}: {len(found.unused)} of {found.label_maps} label maps are not used, since {img_dir} has no '
                f'photographs for them, such as {found.unused[0].removeprefix(f"{ann_dir}/")}',
                'current',
                logging.WARNING,
            )
        if found.missing:
            raise InputError(
                f'{found.missing[0]}: this label map is missing ({len(found.missing)} of {found.photographs} photographs '
                f'in {img_dir} have none){found.hint}'
            )
        return found.infos

    def find_pairs(self) -> Pairs:
        """Pair photographs with label maps, and set ``label_table``; photographs without a label map are left out, and named.

        Raises:
            InputError: As for the class, except that label maps may be missing.
        """
        img_dir, ann_dir = (self.data_prefix.get(key) for key in ('img_path', 'seg_map_path'))
        images = self._list(img_dir, self.img_suffix, 'photographs')
        labels: dict[str, str] = {}
        suffix = ''
        if ann_dir:
            suffix, labels = self._list_labels(ann_dir)
        pairs: list[tuple[str, str | None]]
        unused: list[str] = []
        if self.ann_file:
            label_names = Names(ann_dir, labels, self.data_root) if ann_dir else None
            pairs = read_list(self.ann_file, Names(img_dir, images, self.data_root), label_names, self.backend_args)
        else:
            pairs = [(stem, None) for stem in sorted(images)]
            unused = [f'{ann_dir}/{labels[stem]}' for stem in sorted(labels.keys() - images.keys())]
        if ann_dir:  # label maps that no photograph uses may hold anything
            used = [named or stem for stem, named in pairs if (named or stem) in labels]
            self.label_table = self._table_of(ann_dir, suffix, {stem: labels[stem] for stem in used} or labels, labels)
        missing = [stem for stem, label in pairs if label is None and stem not in labels] if ann_dir else []
        begins = (f'{missing[0]}_', f'{missing[0]}-') if missing else ()
        similar = next((path for path in labels.values() if path.startswith(begins)), '') if begins else ''
        infos = []
        for stem, named in pairs:
            if ann_dir and (named or stem) not in labels:
                continue
            image_tiles = tile_paths(f'{img_dir}/{images[stem]}', *self.tiles)
            label_tiles = tile_paths(f'{ann_dir}/{labels[named or stem]}', *self.tiles) if labels else [None] * len(image_tiles)
            for image, label in zip(image_tiles, label_tiles, strict=True):
                info = dict(img_path=image, label_map=None, reduce_zero_label=self.reduce_zero_label, seg_fields=[])
                infos.append(info if label is None else {**info, 'seg_map_path': label})
        return Pairs(
            infos=infos,
            photographs=len(pairs),
            label_maps=len(labels),
            missing=[f'{ann_dir}/{stem}{suffix}' for stem in missing],
            unused=unused,
            hint=f'; for {similar} set seg_map_suffix={similar[len(missing[0]) :]!r}' if similar else '',
        )

    def _table_of(self, ann_dir: str, suffix: str, used: Mapping[str, str], labels: Mapping[str, str]) -> np.ndarray:
        """Return the class of each value of the label maps that are used, of all those of a folder, see :func:`label_table`."""
        table = label_table(self.vocabularies[suffix], self.foreground, self.ignore_index)
        if 1 not in table:
            raise InputError(
                f'foreground={self.foreground!r}: the label maps *{suffix} in {ann_dir} do not have such a class; choose other '
                'classes or other label maps'
            )
        if self.keep_classes:
            self.class_table = class_table(self.vocabularies[suffix], self.ignore_index)
            self.kept_classes = class_names(self.vocabularies[suffix])
        return table

    def _list_labels(self, ann_dir: str) -> tuple[str, dict[str, str]]:
        """Return the suffix of the label maps to read, and their files by stem."""
        suffixes = [self.seg_map_suffix] if self.seg_map_suffix else list(self.vocabularies)
        for suffix in suffixes:
            if found := self._list(ann_dir, suffix, 'label maps', may_be_empty=True):
                return suffix, found
        return suffixes[-1], self._list(ann_dir, suffixes, 'label maps')  # an error that names all of them

    def _list(self, folder: str | None, suffix: str | Sequence[str], what: str, may_be_empty: bool = False) -> dict[str, str]:
        """Return the files below ``folder`` whose names end in ``suffix``: stem -> path, both relative to the folder.

        Capital and small letters of the suffix are the same, since cameras write ``.JPG``; what is hidden, or in a hidden
        folder, is left out.
        """
        suffixes = (suffix,) if isinstance(suffix, str) else tuple(suffix)
        small = tuple(each.lower() for each in suffixes)
        layout = self.LAYOUT and f'; {self.LAYOUT}'
        if not folder or not fileio.isdir(folder, backend_args=self.backend_args):
            raise InputError(f'{folder}: there is no such folder of {what} (data_root is {self.data_root}){layout}')
        listed = fileio.list_dir_or_file(folder, False, True, recursive=True, backend_args=self.backend_args)
        visible = [name for name in listed if not any(part.startswith('.') for part in name.split('/'))]
        found: dict[str, str] = {}
        for name in visible:
            if not (ending := next((each for each in small if name.lower().endswith(each)), None)):
                continue
            if _NOT_UTF_8.search(name):
                raise InputError(f'{folder}: {name!a} is not UTF-8, which OpenCV needs; rename it')
            if (twin := found.setdefault(name[: -len(ending)], name)) != name:
                raise InputError(
                    f'{folder}: {twin} and {name} differ only in their endings, so one would hide the other; rename one, '
                    'or set img_suffix to the ending of the photographs'
                )
        if not found and not may_be_empty:
            endings = Counter(Path(name).suffix for name in visible)
            there = f', only {", ".join(f"{count} {ending}" for ending, count in endings.items())}' if endings else ''
            raise InputError(f'{folder}: found no {what} whose names end in {" or ".join(suffixes)}{there}{layout}')
        return found


def _check_crops(groups: Any, kept: int | None) -> None:
    """Raise an error if no label is in ``foreground`` of the crops, of ``kept`` classes or, with ``None``, of 0 and 1."""
    given = ((1,),) if groups is None else groups
    if not isinstance(given, list | tuple) or not given or not all(map(are_class_numbers, given)):
        return  # the transform says what it takes
    highest = max(map(max, given))
    if kept is None and highest > 1:
        raise InputError(f'foreground={groups!r} of the crops: the labels are 0 and 1; for more set keep_classes=True')
    if kept is not None and (groups is None or highest >= kept):
        raise InputError(
            f'foreground={groups!r} of the crops: with keep_classes=True give groups of the classes 0 to {kept - 1}, such as '
            '((8,), (9, 10))'
        )


def _has(name: str, *names: str) -> bool:
    """Whether a class is among others, in capitals or not."""
    return name.casefold() in (other.casefold() for other in names)

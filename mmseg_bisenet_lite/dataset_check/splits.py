"""The splits to check, from a config or from a folder, and the files that do not pair."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine import fileio
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from mmseg_bisenet_lite.dataset_check.own_folder import folder_datasets
from mmseg_bisenet_lite.dataset_check.results import Finding
from mmseg_bisenet_lite.datasets import BinarySegDataset
from mmseg_bisenet_lite.datasets.label_check import require_agreement
from mmseg_bisenet_lite.datasets.label_maps import LabelReader, ValueTally, whole_files
from mmseg_bisenet_lite.datasets.mask_search import UnclearMasksError
from mmseg_bisenet_lite.datasets.metainfo import inner_sets, require_two_classes
from mmseg_bisenet_lite.pretrained.loading import parse_config
from mmseg_bisenet_lite.utils.errors import InputError, first_line

SPLITS = ('train', 'val', 'test')


@dataclass(frozen=True, eq=False)
class Part:
    """A data set of a split.

    Attributes:
        kind: Its type.
        dataset: The data set.
        infos: Its samples, each file once.
        reader: Reader of its masks.
        tally: What its masks hold in all.
        backend_args: Arguments of MMEngine's file backend.
    """

    kind: str
    dataset: Any
    infos: list[dict]
    reader: LabelReader
    tally: ValueTally
    backend_args: dict | None


@dataclass(eq=False)
class Split:
    """A split: its data sets, and what was found while they were built.

    Attributes:
        name: Its name, such as ``'train'``, or ``'val, test'`` if both are the same.
        parts: The data sets that could be built.
        findings: What was found.
    """

    name: str
    parts: list[Part] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def splits_of(source: Path) -> list[Split]:
    """Build the data sets of a config or a folder; one that cannot be built is a finding, and the others go on.

    Raises:
        InputError: There is no such config or folder, or it has no data sets.
    """
    datasets = folder_datasets(source) if source.is_dir() else _config_datasets(parse_config(str(source)), source)
    grouped: dict[str, tuple[list[str], Any]] = {}
    for name, dataset in datasets.items():  # val and test are often one data set, perhaps with two pipelines
        inner = [{key: value for key, value in each.items() if key != 'pipeline'} for each in inner_sets(dataset)]
        grouped.setdefault(repr((name == 'train', inner)), ([], dataset))[0].append(name)
    splits = []
    for names, dataset in grouped.values():
        split = Split(', '.join(names))
        for inner_config in inner_sets(dataset):
            _build(inner_config, split, ' (in a config, which can be checked too)' if source.is_dir() else '')
        if not split.findings and not any(part.infos for part in split.parts):
            reason = 'it has no photographs; check its data_prefix, and what chooses from its folders, such as drives'
            split.findings.append(Finding('data set cannot be built', split.name, '', reason))
        splits.append(split)
    try:
        require_agreement(*(part.dataset for split in splits for part in split.parts))
    except InputError as error:
        splits[-1].findings.append(Finding('masks are not understood', splits[-1].name, '', error.line))
    return splits


def _config_datasets(config: Config, file: Path) -> dict[str, Any]:
    loaders = {name: config.get(f'{name}_dataloader') for name in SPLITS}
    found = {name: loader['dataset'] for name, loader in loaders.items() if loader is not None and 'dataset' in loader}
    if not found:
        raise InputError(f'{file}: has no train_dataloader, val_dataloader or test_dataloader with a dataset; add one')
    return found


def _build(config: Mapping[str, Any], split: Split, where: str) -> None:
    """Build a data set, and add it to its split with the files that do not pair; ``where`` its masks can be explained."""

    def failed(reason: str, kind: str = 'data set cannot be built') -> None:
        split.findings.append(Finding(kind, split.name, str(config.get('data_root') or ''), reason))

    try:
        dataset = DATASETS.build({**config, 'lazy_init': True})
        classes = dataset.metainfo.get('classes') if isinstance(dataset, BaseDataset) else None
        if not classes:
            failed(f'{type(dataset).__name__} has no classes; give a data set of segmentation')
            return
        if len(classes) == 2:
            require_two_classes(classes)
        try:
            infos, missing, unused = _pairs(dataset)
        except UnclearMasksError as error:
            failed(error.line + where, 'masks are not understood')
            dataset.data_prefix['seg_map_path'] = None  # the photographs can be checked
            infos, missing, unused = _pairs(dataset)
    except Exception as error:  # whatever the data set of a user raises
        reason = f'{config.get("type")}: {type(error).__name__}: {first_line(error)}'
        failed(error.line if isinstance(error, InputError) else reason)
        return
    for fault in getattr(dataset, 'faults', ()):
        if isinstance(fault, UnclearMasksError):  # others are told of each file
            failed(fault.line + where, 'masks are not understood')
    reader = LabelReader(dataset, split.name)
    tally = ValueTally(reader.classes, reader.ignored)
    files = list(whole_files(iter(infos)))
    split.parts.append(Part(type(dataset).__name__, dataset, files, reader, tally, getattr(dataset, 'backend_args', None)))
    for kind, said, named in (
        ('mask is missing', 'this mask of a photograph is missing', missing),
        ('mask is not used', 'no photograph has this mask', unused),
    ):
        split.findings += [Finding(kind, split.name, file, f'{file}: {said}') for file in named]
    if not files and not missing and not getattr(dataset, 'may_be_empty', False):
        failed(f'{type(dataset).__name__} has no photographs; check its data_root and data_prefix')


def _pairs(dataset: Any) -> tuple[list[dict], list[str], list[str]]:
    """Return the samples of a data set, the masks that are missing, and those that no photograph has."""
    if isinstance(dataset, BinarySegDataset):
        dataset.strict = False
    dataset.full_init()
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    if isinstance(dataset, BinarySegDataset) and dataset.pairs is not None:
        return infos, dataset.pairs.missing, dataset.pairs.unused
    return infos, [], sorted(_unused(dataset, infos))


def _unused(dataset: Any, infos: list[dict]) -> Iterator[str]:
    """Yield the masks of MMSegmentation's data set that belong to no photograph."""
    folder = dataset.data_prefix.get('seg_map_path')
    chosen = dataset.ann_file or getattr(dataset, '_indices', None) is not None
    if chosen or not folder or not isinstance(dataset, BaseSegDataset):
        return
    used = {info.get('seg_map_path') for info in infos}
    names = fileio.list_dir_or_file(folder, False, True, dataset.seg_map_suffix, True, backend_args=dataset.backend_args)
    yield from (file for name in names if (file := fileio.join_path(folder, name)) not in used)

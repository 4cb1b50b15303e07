"""metainfo_of: names and colours of the classes that a data set's config gives, without reading a file."""

from collections.abc import Mapping
from typing import Any

from mmseg.registry import DATASETS

from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.registry import class_of


def metainfo_of(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metainfo of a data set, or of the first one in wrappers such as ``ConcatDataset`` and ``RepeatDataset``.

    Raises:
        InputError: The data set names no classes.
    """
    while 'dataset' in dataset or 'datasets' in dataset:
        dataset = dataset['dataset'] if 'dataset' in dataset else dataset['datasets'][0]
    found = {**getattr(class_of(DATASETS, dataset.get('type')), 'METAINFO', {}), **(dataset.get('metainfo') or {})}
    if not found.get('classes'):
        raise InputError(f'the data set {dataset.get("type")} names no classes; set its metainfo=dict(classes=...)')
    return found

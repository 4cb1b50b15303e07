"""Names and colours of the two classes of a data set."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmseg.registry import DATASETS

from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.registry import class_of


def require_two_classes(classes: Sequence[str]) -> None:
    """Raise an error if a data set does not have two classes with the background first, since label 1 is the foreground.

    Raises:
        InputError: There are not two classes, or the second one is called background.
    """
    if len(classes) != 2:
        raise InputError(
            f'BinaryIoUMetric: give a data set with 2 classes, background and foreground, not {len(classes)}; for others take '
            "type='IoUMetric'"
        )
    if str(classes[1]).casefold() == 'background':
        raise InputError(
            f'metainfo.classes={tuple(classes)!r}: the order is (background, foreground), since label 1 is the foreground; '
            f"for label maps in which 0 is {classes[0]} take type='BinarySegDataset' with values="
        )


def inner_sets(dataset: Mapping[str, Any]) -> list[Any]:
    """Return the configs of the data sets in wrappers such as ``ConcatDataset`` and ``RepeatDataset``."""
    if 'datasets' in dataset:
        return [inner for each in dataset['datasets'] for inner in inner_sets(each)]
    return inner_sets(dataset['dataset']) if 'dataset' in dataset else [dataset]


def metainfo_of(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metainfo that a config gives a data set, or the first one in wrappers such as ``ConcatDataset``.

    Raises:
        InputError: The data set names no classes.
    """
    dataset = inner_sets(dataset)[0]
    kind = class_of(DATASETS, dataset.get('type'))
    if (of_config := getattr(kind, 'metainfo_of', None)) is not None:  # a data set of ours with an option for it
        return of_config(dataset)
    found = {**getattr(kind, 'METAINFO', {}), **(dataset.get('metainfo') or {})}
    if not found.get('classes'):
        raise InputError(f'the data set {dataset.get("type")} names no classes; set its metainfo=dict(classes=...)')
    return found

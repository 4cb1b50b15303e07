"""Scores of a network on its test set, clean and under each corruption."""

import copy
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import fmean

import cv2
from mmcv.transforms import LoadImageFromFile
from mmengine.config import Config
from mmengine.evaluator import DumpResults
from mmseg.registry import METRICS, TRANSFORMS

from mmseg_bisenet_lite.apis.config_errors import errors_of_config
from mmseg_bisenet_lite.apis.scores import scores_of
from mmseg_bisenet_lite.datasets.metainfo import inner_sets
from mmseg_bisenet_lite.datasets.transforms.corruption import KINDS, kind_of, require_corruption
from mmseg_bisenet_lite.evaluation import BinaryIoUMetric
from mmseg_bisenet_lite.pretrained.names import checkpoint_file
from mmseg_bisenet_lite.utils.console import ReportProgress
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.registry import class_of
from mmseg_bisenet_lite.utils.tables import Table

CLEAN = 'clean'
# Scores of ``BinaryIoUMetric``, and their headings.
COLUMNS = {'fgIoU': 'IoU', 'AP': 'AP', 'precision': 'precision', 'recall': 'recall'}
# Files that metrics write: those of the clean photographs stay.
_FILES = ('curve', 'reliability', 'output_dir')


@dataclass(frozen=True)
class Result:
    """Scores under one corruption.

    Attributes:
        kind: ``'clean'``, or a key of ``KINDS``.
        strength: In the kind's unit; of clean photographs ``None``.
        metrics: Scores of the test, in percent.
    """

    kind: str
    strength: float | None
    metrics: dict[str, float]


def scores_under_corruptions(
    config: Config,
    checkpoint: str,
    work_dir: Path,
    kinds: Collection[str] = tuple(KINDS),
    seed: int = 0,
    progress: ReportProgress = lambda what, done: None,
) -> list[Result]:
    """Test a checkpoint on the config's ``test_dataloader``: clean, and once for each corruption at its fixed strengths.

    Args:
        config: Config of the test.
        checkpoint: File or name of the checkpoint, or an exported file whose config is ``config``.
        work_dir: Folder for the logs.
        kinds: Keys of ``KINDS``.
        seed: Seed of noise and rain.
        progress: Called with the current corruption and the share that is done.

    Returns:
        The results, the clean one first.

    Raises:
        InputError: A kind is unknown; the checkpoint or, for rain, Kornia is missing; the test has no scores of the foreground,
            or its pipeline loads no photograph.
    """
    checkpoint_file(checkpoint)
    tests = [(CLEAN, None), *((kind, strength) for kind in kinds for strength in kind_of(kind).strengths)]
    planned = [(kind, strength, _config(config, kind, strength, seed)) for kind, strength in tests]
    results = []
    for number, (kind, strength, changed) in enumerate(planned):
        progress(label(kind, strength), number / len(planned))
        with errors_of_config(str(config.filename)):
            metrics = scores_of(changed, checkpoint, work_dir)
        results.append(Result(kind, strength, metrics))
    return results


def library_versions(kinds: Iterable[str]) -> dict[str, str]:
    """Return the versions of the libraries that corrupt."""
    needed = {KINDS[kind].needs for kind in kinds} - {None}
    return {'opencv': cv2.__version__, **{name: version(name) for name in sorted(map(str, needed))}}


def label(kind: str, strength: float | None) -> str:
    """Return a corruption in words, such as ``'jpeg, quality 7'``."""
    return kind if strength is None else f'{kind}, {KINDS[kind].unit.format(strength)}'


def report(results: Sequence[Result]) -> Table:
    """Return the table: a row for each test, the mean of the corrupted ones, and that mean as a share of the clean score.

    Args:
        results: The clean result, and at least one other.
    """
    clean, *corrupted = ([result.metrics.get(name) for name in COLUMNS] for result in results)
    means = [None if None in scores else fmean(scores) for scores in zip(*corrupted, strict=True)]
    shares = [
        100 * mean / of_clean if mean is not None and of_clean else None for mean, of_clean in zip(means, clean, strict=True)
    ]
    rows = [
        [label(result.kind, result.strength), *_cells(scores)]
        for result, scores in zip(results, [clean, *corrupted], strict=True)
    ]
    rows += [[f'mean of the {len(corrupted)}', *_cells(means)], ['that mean, in % of clean', *_cells(shares)]]
    title = 'Foreground, in %, on clean and on corrupted photographs'
    return Table(title, ['corruption', *COLUMNS.values()], rows, frozenset({1, len(rows) - 2}))


def _cells(scores: Iterable[float | None]) -> list[str]:
    return ['-' if score is None else f'{score:.1f}' for score in scores]


def _config(config: Config, kind: str, strength: float | None, seed: int) -> Config:
    """Return the config of one test."""
    config = copy.deepcopy(config)
    config.log_level, config.resume = 'ERROR', False
    needed = 'test_dataloader with a dataset, and a test_evaluator'
    with as_input_error(f'{config.filename}: needs a {needed}; add what is missing', AttributeError, TypeError):
        dataset = config.test_dataloader.dataset
        evaluators = config.test_evaluator if isinstance(config.test_evaluator, list) else [config.test_evaluator]
        classes = [class_of(METRICS, evaluator.get('type')) for evaluator in evaluators]
    if not any(each is not None and issubclass(each, BinaryIoUMetric) for each in classes):
        raise InputError(f'{config.filename}: its test gives no foreground IoU; set test_evaluator.type=BinaryIoUMetric')
    if strength is None:
        return config
    require_corruption(kind, strength)
    config.test_evaluator = [
        {key: value for key, value in evaluator.items() if key not in _FILES}
        for evaluator, each in zip(evaluators, classes, strict=True)
        if each is not DumpResults
    ]
    # Its pictures would replace those of the clean photographs.
    (config.get('default_hooks') or {}).pop('visualization', None)
    for inner in inner_sets(dataset):
        pipeline = inner.get('pipeline') or ()
        kinds = [class_of(TRANSFORMS, step.get('type')) for step in pipeline]
        loaders = [place for place, each in enumerate(kinds) if each is not None and issubclass(each, LoadImageFromFile)]
        if not loaders:
            raise InputError(
                f'{config.filename}: its test pipeline has no LoadImageFromFile, after which photographs are corrupted'
            )
        step = dict(type='mmseg.Corrupt', kind=kind, strength=strength, seed=seed)
        inner.pipeline = [*pipeline[: loaders[0] + 1], step, *pipeline[loaders[0] + 1 :]]
    return config

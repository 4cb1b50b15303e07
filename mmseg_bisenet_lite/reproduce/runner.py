"""Runs the missing trainings of a grid, each in its own process."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmseg_bisenet_lite.apis.cfg_options import merge_options
from mmseg_bisenet_lite.apis.scores import scores_of
from mmseg_bisenet_lite.datasets.metainfo import inner_sets
from mmseg_bisenet_lite.reproduce.config import Run, check_options, folder_of, leave_out
from mmseg_bisenet_lite.reproduce.results import Result, save
from mmseg_bisenet_lite.reproduce.training import Training, train_all
from mmseg_bisenet_lite.utils.console import ReportProgress
from mmseg_bisenet_lite.utils.errors import InputError


def reproduce(
    runs: Sequence[Run],
    dataset: str,
    out: Path,
    iterations: int | None = None,
    options: Mapping[str, Any] | None = None,
    progress: ReportProgress = lambda what, done: None,
    jobs: int = 1,
) -> tuple[list[Result], dict[Run, str]]:
    """Run the trainings that are not finished; an interrupted training is resumed.

    Args:
        runs: The trainings.
        dataset: Key of ``DATASETS``.
        out: Output folder; finished trainings are read from it.
        iterations: Iterations of each training; ``None`` keeps the configs' numbers.
        options: Changes to every config, as ``Config.merge_from_dict`` takes them.
        progress: Called with the current training and the share that is done.
        jobs: Number of trainings that run side by side.

    Returns:
        The results, and the reason of each failed training.

    Raises:
        InputError: A config is missing, the changes do not fit, or a training in ``out`` has another config or a damaged
            result: then nothing is trained. Or another process runs a training in ``out``.
    """
    trainings = {
        run: Training(run.title, _config(run, dataset, iterations, options or {}), folder_of(run, out)) for run in runs
    }
    return train_all(trainings, Result.load, _finish, progress, jobs)


def _config(run: Run, dataset: str, iterations: int | None, options: Mapping[str, Any]) -> Config:
    check_options(options, iterations, '--protocol drives' if run.left_out else None)
    config = run.config(dataset, iterations)
    merge_options(config, options, f'the config of {run.name}')
    if run.left_out:
        leave_out(config, run.left_out, dataset)
    elif shared := _in_both(config):
        raise InputError(f'{run.name} is trained on the photographs in {shared[0]}, which test it; give --protocol drives')
    if 'max_iters' not in config.train_cfg:
        raise InputError('--cfg-options train_cfg: the grid is trained by iterations; leave the loop as it is')
    return config


def _in_both(config: Config) -> list[str]:
    """Return the folders that are both in the training set and in the test set."""
    train, test = (inner_sets(config[f'{split}_dataloader'].dataset) for split in ('train', 'test'))
    tested = [(each.data_root, each.data_prefix.img_path) for each in test]
    return [each.data_prefix.img_path for each in train if (each.data_root, each.data_prefix.img_path) in tested]


def _finish(run: Run, training: Training) -> Result:
    """Make and write the result of a training that has ended."""
    iterations, folder = training.iterations, training.folder
    validations: dict[int, dict[str, float]] = {}
    for file in sorted(folder.glob('*/vis_data/scalars.json')):  # one file for each start
        for line in file.read_text().splitlines():
            with suppress(ValueError):  # a cut line, where the training was killed
                entry = json.loads(line)
                if 'mIoU' in entry:
                    validations[entry.pop('step')] = entry
    if iterations not in validations:  # killed in the last validation, which resuming does not repeat
        validations[iterations] = scores_of(training.config, str(training.checkpoint), folder / 'test')
    timing = {'data_time', 'time'}
    result = Result(
        run=run,
        iterations=iterations,
        metrics={key: value for key, value in validations[iterations].items() if key not in timing},
        curve=[(step, validations[step]['mIoU']) for step in sorted(validations)],
        config=training.digest,
        made_with=training.made_with(),
    )
    save(result, training.result)
    return result

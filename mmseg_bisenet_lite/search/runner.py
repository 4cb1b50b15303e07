"""Runs a search: the trainings that are missing, the tests, and the timing of all candidates side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.runner.checkpoint import CheckpointLoader

from mmseg_bisenet_lite.apis.publish import with_main_head
from mmseg_bisenet_lite.apis.scores import scores_of
from mmseg_bisenet_lite.benchmark.inference import Results as Speeds
from mmseg_bisenet_lite.reproduce.training import Training, train_all
from mmseg_bisenet_lite.search.candidates import LEFT_OUT, Candidate, candidates_of
from mmseg_bisenet_lite.search.config import SearchConfig
from mmseg_bisenet_lite.search.results import Result
from mmseg_bisenet_lite.search.speed import check_networks, check_ways, time_all
from mmseg_bisenet_lite.utils.console import ReportProgress
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.files import write_text
from mmseg_bisenet_lite.utils.heads import MAIN
from mmseg_bisenet_lite.utils.scratch import scratch_folder


@dataclass(frozen=True)
class Outcome:
    """What a search has found.

    Attributes:
        results: Results of the trainings.
        speeds: Results of the benchmark; ``None`` if nothing could be timed.
        failures: A line for each training, file or timing that failed.
    """

    results: Sequence[Result]
    speeds: Speeds | None
    failures: Sequence[str]


def search(config: SearchConfig, progress: ReportProgress) -> Outcome:
    """Train each candidate from each seed on one drive, test it on the others, and time all of them in one run.

    What the folder holds of an earlier search is kept; an interrupted training is resumed.

    Args:
        config: The options.
        progress: Called with the current step and the share that is done.

    Raises:
        InputError: A candidate or an option does not fit, the folder holds a training of another config, or another process
            works there.
    """
    named = {each.name: each for each in candidates_of(config)}
    check_ways(config)
    progress('checking the networks', 0.0)
    config.out.mkdir(parents=True, exist_ok=True)
    with scratch_folder(config.out, '.check-') as folder:
        check_networks(config, _written(named, folder))
    trainings = {
        (name, seed): Training(f'{name}, seed {seed}', each.of_seed(seed), config.out / name / f'seed{seed}')
        for seed in range(config.seeds)
        for name, each in named.items()
    }

    def finish(key: tuple[str, int], training: Training) -> Result:
        name, seed = key
        scores = {target: score(named[name], training, target) for target in named[name].heads}
        result = Result(name, seed, training.iterations, scores, training.digest, training.made_with())
        result.save(training.result)
        return result

    results, failed = train_all(trainings, Result.load, finish, progress, config.jobs)
    failures = [f'{name}, seed {seed}, failed: {why}' for (name, seed), why in failed.items()]
    trained: dict[str, Training] = {}
    for result in sorted(results, key=lambda each: [*named].index(each.candidate)):
        trained.setdefault(result.candidate, trainings[result.candidate, result.seed])
    if not trained:
        return Outcome(results, None, failures)
    try:
        speeds, without = time_all(config, _written({name: named[name] for name in trained}, config.out), trained, progress)
    except InputError as error:  # hours of training are not lost by it
        return Outcome(results, None, [*failures, f'Not timed: {error.line}'])
    return Outcome(results, speeds, [*failures, *without])


def _written(candidates: Mapping[str, Candidate], out: Path) -> dict[str, Path]:
    """Write the config of each candidate, with the changes of ``cfg_options``; return the files."""
    files = {name: out / name / f'{name}.py' for name in candidates}
    for name, file in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, candidates[name].config.pretty_text)
    return files


def score(candidate: Candidate, training: Training, target: str) -> dict[str, dict[str, float]]:
    """Return the scores of the head of a target on each drive left out."""
    checkpoint, head = str(training.checkpoint), candidate.heads[target]
    with scratch_folder(training.folder, '.test-') as folder:
        if head != MAIN:
            weights = CheckpointLoader.load_checkpoint(checkpoint, 'cpu')['state_dict']
            checkpoint = str(folder / 'swapped.pth')
            torch.save({'state_dict': with_main_head(weights, head, str(training.checkpoint))}, checkpoint)
        return {drive: scores_of(candidate.of_test(target, drive), checkpoint, training.folder / 'test') for drive in LEFT_OUT}

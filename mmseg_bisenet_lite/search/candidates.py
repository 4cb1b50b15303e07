"""The candidates of a search: configs that learn both targets of CamVid in one training, made to learn from one drive."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmseg_bisenet_lite.apis.cfg_options import merge_options
from mmseg_bisenet_lite.datasets.metainfo import inner_sets
from mmseg_bisenet_lite.pretrained.loading import read_config
from mmseg_bisenet_lite.reproduce.config import check_options, keep_drives, set_iterations
from mmseg_bisenet_lite.search.config import SearchConfig
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.heads import AUXILIARY, MAIN

# Drives of CamVid's train and val: the one to learn from, and those to test on, one by one. Half of the photographs are of the
# first, by day; of the two others one is by day and one at dusk.
LEARNED, LEFT_OUT = ('0016E5',), ('0001TP', '0006R0')
# Target, its data set, and its classes in the label maps of train.
TARGETS = {'vehicle': ('CamVidVehicleDataset', (8,)), 'human': ('CamVidHumanDataset', (9, 10))}
# Keys of a config that the search sets itself, beside those of every tool that leaves drives out.
_SET_BY_THE_SEARCH = {
    **dict.fromkeys(('train_cfg.val_interval', 'train_cfg.val_begin'), 'only the end of a training is tested'),
    **{f'{split}_dataloader.dataset.type': 'the search tests both targets' for split in ('val', 'test')},
}


@dataclass(frozen=True)
class Candidate:
    """A network with a training.

    Attributes:
        name: Name of its config file, without the suffix.
        config: Config of its training on one drive, with tests on the two others.
        heads: Head that finds each target.
    """

    name: str
    config: Config
    heads: Mapping[str, str]

    def of_seed(self, seed: int) -> Config:
        """Return the config of the training from a seed."""
        config = copy.deepcopy(self.config)
        config.randomness = {**config.get('randomness', {}), 'seed': seed}
        return config

    def of_test(self, target: str, drive: str) -> Config:
        """Return the config that tests the head of a target, moved to the place of the main head, on a drive."""
        config = copy.deepcopy(self.config)
        config.log_level = 'ERROR'  # its tables would fill the terminal
        name, _, number = self.heads[target].partition('.')
        if name != MAIN:
            owner, place = (config.model[AUXILIARY], int(number)) if number else (config.model, AUXILIARY)
            config.model[MAIN], owner[place] = owner[place], config.model[MAIN]
        for each in inner_sets(config.test_dataloader.dataset):
            each.update(type=TARGETS[target][0], drives=[drive])
        return config


def candidates_of(search: SearchConfig) -> list[Candidate]:
    """Read the candidates.

    Args:
        search: The options.

    Raises:
        InputError: A config is missing, or does not learn both targets of CamVid in one training; two have the same name; or
            the changes do not fit.
    """
    check_options(search.cfg_options, search.iters, 'the search')
    for key in search.cfg_options:
        if key in _SET_BY_THE_SEARCH:
            raise InputError(f'--cfg-options {key}: {_SET_BY_THE_SEARCH[key]}; leave this key out')
    files: dict[str, str] = {}
    for file in search.configs:
        first = files.setdefault(Path(file).stem, file)
        if Path(first).resolve() != Path(file).resolve():
            raise InputError(f'{first} and {file}: rename one; candidates go by the names of their files')
    return [_read(name, file, search.iters, search.cfg_options) for name, file in files.items()]


def _read(name: str, file: str, iterations: int | None, options: Mapping[str, Any]) -> Candidate:
    config = read_config(file)
    _heads(config, file)
    if iterations is not None:
        set_iterations(config, iterations)
    merge_options(config, options, file)
    heads = _heads(config, file)
    keep_drives(config, LEARNED, LEFT_OUT)
    config.train_cfg.val_begin = config.train_cfg.max_iters + 1  # the search tests, both heads and drive by drive
    config.pop('work_dir', None)
    return Candidate(name, config, heads)


def _heads(config: Config, file: str) -> dict[str, str]:
    """Return the head of each target, known by its classes in the label maps."""
    model = config.get('model', {})
    auxiliary = model.get(AUXILIARY) or []
    several = {f'{AUXILIARY}.{number}': head for number, head in enumerate(auxiliary)}
    heads = {MAIN: model.get(MAIN), **({AUXILIARY: auxiliary} if isinstance(auxiliary, Mapping) else several)}
    classes = {name: {*(head.get('foreground') or ())} for name, head in heads.items() if isinstance(head, Mapping)}
    found = {
        target: next((n for n, each in classes.items() if each == {*wanted}), '') for target, (_, wanted) in TARGETS.items()
    }
    problems = [f'no head has foreground={TARGETS[target][1]}, {target}s' for target, head in found.items() if not head]
    problems += [] if 'max_iters' in config.get('train_cfg', {}) else ['it does not train by iterations']
    problems += (
        [] if config.get('test_evaluator', {}).get('type') == 'BinaryIoUMetric' else ['its metric is no BinaryIoUMetric']
    )
    if problems:
        raise InputError(
            f'{file}: {problems[0]}; a candidate learns both targets of CamVid in one training, as '
            'configs/camvid/lite-shared_hinge_vehicle.py'
        )
    return found

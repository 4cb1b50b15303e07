"""The candidates of a search: configs that learn all targets of a data set in one training, with one drive to learn from."""

from collections.abc import Mapping, Sequence
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


@dataclass(frozen=True)
class Candidate:
    """A network with a training.

    Attributes:
        name: Name of its config file, without the suffix.
        file: Config file.
        config: Config of its training on one drive, with tests on the two others.
        heads: Head that finds each target.
    """

    name: str
    file: str
    config: Config
    heads: Mapping[str, str]

    def of_seed(self, seed: int) -> Config:
        """Return the config of the training from a seed."""
        config = self.config.copy()
        config.randomness = dict(seed=seed)
        return config

    def of_test(self, target: str, drive: str) -> Config:
        """Return the config that tests the main head for a target on a drive."""
        config = self.config.copy()
        config.log_level = 'ERROR'  # its tables would fill the terminal
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
    files: dict[str, str] = {}
    for file in search.configs:
        if files.setdefault(Path(file).stem, file) != file:
            raise InputError(f'{files[Path(file).stem]} and {file}: rename one; candidates go by the names of their files')
    return [_read(name, file, search.iters, search.cfg_options) for name, file in files.items()]


def _read(name: str, file: str, iterations: int | None, options: Mapping[str, Any]) -> Candidate:
    config = read_config(file)
    heads = _heads(config, file)
    if iterations is not None:
        set_iterations(config, iterations)
    merge_options(config, options, file)
    keep_drives(config, LEARNED, LEFT_OUT)
    # Only the end counts; what the validation finds on the way would be thrown away.
    config.train_cfg.val_interval = config.train_cfg.max_iters
    config.pop('work_dir', None)
    return Candidate(name, file, config, heads)


def _heads(config: Config, file: str) -> dict[str, str]:
    """Return the head of each target, by their classes in the label maps."""
    model = config.get('model', {})
    auxiliary = model.get(AUXILIARY) or []
    heads = {MAIN: model.get(MAIN, {}), **{f'{AUXILIARY}.{number}': head for number, head in enumerate(_list(auxiliary))}}
    classes = {name: tuple(head.get('foreground') or ()) for name, head in heads.items() if isinstance(head, Mapping)}
    found = {target: next((n for n, each in classes.items() if each == wanted), '') for target, (_, wanted) in TARGETS.items()}
    if not all(found.values()) or 'max_iters' not in config.get('train_cfg', {}):
        missing = ' and '.join(target for target, head in found.items() if not head) or 'training by iterations'
        raise InputError(
            f'{file}: has no {missing}; a candidate learns both targets of CamVid in one training, as '
            'configs/camvid/lite-shared_hinge_vehicle.py'
        )
    return found


def _list(heads: Any) -> Sequence[Any]:
    return heads if isinstance(heads, list | tuple) else [heads]

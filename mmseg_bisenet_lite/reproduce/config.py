"""The trainings of a grid: one network with one loss for one target, from one seed."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmseg_bisenet_lite import compat
from mmseg_bisenet_lite.apis.peers import PEERS, peer_config
from mmseg_bisenet_lite.datasets.metainfo import inner_sets
from mmseg_bisenet_lite.pretrained.loading import read_config
from mmseg_bisenet_lite.utils.errors import InputError

# Folder of each dataset's configs, below the folder configs.
DATASETS = {'camvid': 'camvid', 'cityscapes': '.', 'toy': 'toy'}
# Drives of train and val of each data set that has them.
DRIVES = {'camvid': ('0001TP', '0006R0', '0016E5')}
# Protocol, and what its networks are tested on.
PROTOCOLS = {'val': 'val set', 'drives': 'drives left out'}
LOSSES, TARGETS = ('ce', 'hinge'), ('human', 'vehicle')
# Smaller networks, trained as lite-shared.
FAMILY = ('lite-n', 'lite-s', 'lite-m')
# Network, the first word of a config's name, and its losses. lite-tuned and lite-shared are the lite network with another
# training than the paper's.
NETWORKS = {'lite': LOSSES, 'lite-tuned': ('hinge',), 'r18': LOSSES, **dict.fromkeys(('lite-shared', *FAMILY), ('hinge',))}

# Keys of a config that the tools set themselves.
_SET_BY_THE_TOOL = {
    'randomness.seed': '--seeds sets the seed',
    'train_cfg.max_iters': '--iters sets the iterations',
    'work_dir': '--out sets the folder',
    'resume': 'an interrupted training is resumed anyway',
}
# And what leaving drives out sets.
_SET_WITH_THE_DRIVES = re.compile(
    r'(train|val|test)_dataloader\.dataset(\.datasets\.\d+)?\.(data_prefix|drives|ann_file)(\..*)?'
)

# The loss of a peer, which keeps the losses of its authors.
OWN = 'own'

Grid = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        network: Key of ``NETWORKS`` or of ``PEERS``.
        loss: ``'ce'`` or ``'hinge'``; ``OWN`` for a peer.
        target: ``'human'`` or ``'vehicle'``, the foreground.
        seed: Random seed.
        left_out: Drive to test on, which the training leaves out; ``None`` trains on train and tests on val.
    """

    network: str
    loss: str
    target: str
    seed: int
    left_out: str | None = None

    @property
    def name(self) -> str:
        """Name of the config, or for a peer the name that such a config would have."""
        return '_'.join(part for part in (self.network, self.loss, self.target) if part != OWN)

    @property
    def title(self) -> str:
        """Name of the training in messages."""
        return f'{self.name}{f" without {self.left_out}" if self.left_out else ""}, seed {self.seed}'

    def config(self, dataset: str, iterations: int | None) -> Config:
        """Return the config of the training, with its seed and number of iterations.

        A peer has its own network and losses, and takes data, learning rate and schedule from lite's config.

        Args:
            dataset: Key of ``DATASETS``.
            iterations: Iterations of the training, with four validations; ``None`` keeps the config's numbers.

        Raises:
            InputError: There is no such config, or the iterations are too few.
        """
        folder = compat.mim_folder('mmseg_bisenet_lite') / 'configs' / DATASETS[dataset]
        peer = self.loss == OWN
        file = folder / f'{f"lite_hinge_{self.target}" if peer else self.name}.py'
        if not file.is_file():
            there = ', '.join(sorted(each.stem for each in folder.glob('*_*_*.py')))
            raise InputError(f'{self.name}: --dataset {dataset} has no such config; --grid may name {there}')
        config = read_config(str(file))
        if peer:
            _take_over(config, peer_config(self.network))
        if iterations is not None:
            set_iterations(config, iterations)
        config.randomness = dict(seed=self.seed)
        config.pop('work_dir', None)
        return config


def check_options(options: Iterable[str], iterations: int | None, drives_by: str | None) -> None:
    """Raise an :class:`InputError` for ``--cfg-options`` with a key that the tool sets itself.

    Args:
        options: The keys.
        iterations: What ``--iters`` gives.
        drives_by: What leaves drives out; ``None`` if nothing does.
    """
    for key in options:
        if key in _SET_BY_THE_TOOL and (key != 'train_cfg.max_iters' or iterations is not None):
            raise InputError(f'--cfg-options {key}: {_SET_BY_THE_TOOL[key]}; leave this key out')
        if drives_by and _SET_WITH_THE_DRIVES.fullmatch(key):
            raise InputError(f'--cfg-options {key}: {drives_by} sets the folders and the drives; leave this key out')


def leave_out(config: Config, drive: str, dataset: str) -> None:
    """Make a config train on the other drives of train and val, and validate and test on all photographs of one drive.

    Args:
        config: The config; its first training set and its first test set take the photographs of both.
        drive: The drive.
        dataset: Key of ``DRIVES``.
    """
    keep_drives(config, [each for each in DRIVES[dataset] if each != drive], [drive])


def keep_drives(config: Config, learned: Sequence[str], tested: Sequence[str]) -> None:
    """Make a config train on some drives of train and val, and validate and test on others.

    Args:
        config: The config; its first training set and its first test set take the photographs of both.
        learned: Drives to train on.
        tested: Drives to validate and test on.
    """
    of_both = [each for split in ('train', 'val') for each in inner_sets(config[f'{split}_dataloader'].dataset)]
    folders = {each.data_prefix.img_path: each.data_prefix for each in of_both}.values()
    for split, drives in (('train', learned), ('val', tested), ('test', tested)):
        loader = config[f'{split}_dataloader']
        first = inner_sets(loader.dataset)[0]
        sets = [{**first, 'data_prefix': folder, 'drives': list(drives)} for folder in folders]
        loader.dataset = dict(type='ConcatDataset', datasets=sets)


def _take_over(config: Config, peer: Config) -> None:
    """Put the peer's network, and the edge labels that its losses need, into the config."""
    peer.model.data_preprocessor.size = config.model.data_preprocessor.size
    config.model = peer.model
    steps = config.train_dataloader.dataset.pipeline
    edges = [step for step in peer.train_dataloader.dataset.pipeline if step['type'] == 'GenerateEdge']
    config.train_dataloader.dataset.pipeline = [*steps[:-1], *edges, steps[-1]]


def set_iterations(config: Config, iterations: int) -> None:
    """Set the iterations of a training, with four validations, in its schedule too.

    Args:
        config: The config.
        iterations: Number of iterations.

    Raises:
        InputError: The learning rate warms up for longer.
    """
    planned = config.train_cfg.max_iters
    for scheduler in config.param_scheduler:
        if scheduler.get('end') == planned:
            scheduler.end = iterations
        if scheduler.get('begin', 0) >= iterations or scheduler.get('end', 0) > iterations:
            raise InputError(f'--iters {iterations}: the learning rate warms up for longer than that; give more iterations')
    config.train_cfg.max_iters = iterations
    config.train_cfg.val_interval = max(iterations // 4, 1)
    config.default_hooks.checkpoint.interval = config.train_cfg.val_interval


def parse_grid(text: str) -> Grid:
    """Parse a grid such as ``'lite,r18 x ce,hinge x human,vehicle'`` into networks, losses and targets.

    Raises:
        InputError: The grid does not have three sides, or a name in it is unknown.
    """
    sides = tuple(tuple(dict.fromkeys(name.strip() for name in side.split(','))) for side in text.split(' x '))
    if len(sides) != 3:
        raise InputError(f"--grid {text!r}: give networks, losses and targets, such as 'lite,r18 x ce,hinge x human,vehicle'")
    for side, known in zip(sides, ((*NETWORKS, *PEERS), LOSSES, TARGETS), strict=True):
        for name in side:
            if name not in known:
                raise InputError(f'--grid: {name!r} is not one of {", ".join(known)}')
    return sides


def drives_of(dataset: str, protocol: str) -> Sequence[str | None]:
    """Return the drives to leave out, one after another, by a protocol; ``None`` leaves none out.

    Args:
        dataset: Key of ``DATASETS``.
        protocol: Key of ``PROTOCOLS``.

    Raises:
        InputError: The data set has no drives.
    """
    if protocol == 'val':
        return (None,)
    if dataset not in DRIVES:
        raise InputError(f'--protocol {protocol}: {dataset} has no drives; give --dataset {" or ".join(DRIVES)}')
    return DRIVES[dataset]


def runs_of(grid: Grid, seeds: int, left_out: Sequence[str | None] = (None,)) -> list[Run]:
    """Return the trainings of a grid, seed after seed, without the losses that a network does not have.

    Args:
        grid: Networks, losses and targets.
        seeds: Number of seeds, from 0 on.
        left_out: Drives to leave out, each in a training of its own; see :func:`drives_of`.

    Raises:
        InputError: The grid has no loss for a network.
    """
    networks, losses, targets = grid
    runs: dict[Run, None] = {}
    for seed in range(seeds):
        for network in networks:
            own_losses = [loss for loss in losses if loss in NETWORKS[network]] if network in NETWORKS else [OWN]
            if not own_losses:
                raise InputError(
                    f'--grid: {network} is trained only with the loss {", ".join(NETWORKS[network])}; add it to the losses'
                )
            for loss in own_losses:
                runs |= {Run(network, loss, target, seed, drive): None for target in targets for drive in left_out}
    return list(runs)


def groups(done: Iterable[Any]) -> dict[tuple[str, str, str], list[Any]]:
    """Group results by network, loss and target, with all seeds in one group."""
    grouped: dict[tuple[str, str, str], list[Any]] = {}
    for result in done:
        grouped.setdefault((result.run.network, result.run.loss, result.run.target), []).append(result)
    return grouped


def folder_of(run: Run, out: Path) -> Path:
    """Return the folder of a training's files."""
    folder = out / run.name
    return (folder / f'without-{run.left_out}' if run.left_out else folder) / f'seed{run.seed}'

"""The trainings of a grid: one network with one loss for one target, from one seed."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmseg_bisenet_lite import compat
from mmseg_bisenet_lite.apis.peers import PEERS, peer_config
from mmseg_bisenet_lite.pretrained.loading import read_config
from mmseg_bisenet_lite.utils.errors import InputError

# Folder of each dataset's configs, below the folder configs.
DATASETS = {'camvid': 'camvid', 'cityscapes': '.', 'toy': 'toy'}
LOSSES, TARGETS = ('ce', 'hinge'), ('human', 'vehicle')
# Network, the first word of a config's name, and its losses. lite-tuned is the lite network with another training than the
# paper's.
NETWORKS = {'lite': LOSSES, 'lite-tuned': ('hinge',), 'r18': LOSSES}

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
    """

    network: str
    loss: str
    target: str
    seed: int

    @property
    def name(self) -> str:
        """Name of the config, or for a peer the name that such a config would have."""
        return '_'.join(part for part in (self.network, self.loss, self.target) if part != OWN)

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
        config = read_config(str(folder / f'{f"lite_ce_{self.target}" if peer else self.name}.py'))
        if peer:
            _take_over(config, peer_config(self.network))
        if iterations is not None:
            _set_iterations(config, iterations)
        config.randomness = dict(seed=self.seed)
        config.pop('work_dir', None)
        return config


def _take_over(config: Config, peer: Config) -> None:
    """Put the peer's network, and the edge labels that its losses need, into the config."""
    peer.model.data_preprocessor.size = config.model.data_preprocessor.size
    config.model = peer.model
    steps = config.train_dataloader.dataset.pipeline
    edges = [step for step in peer.train_dataloader.dataset.pipeline if step['type'] == 'GenerateEdge']
    config.train_dataloader.dataset.pipeline = [*steps[:-1], *edges, steps[-1]]


def _set_iterations(config: Config, iterations: int) -> None:
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


def runs_of(grid: Grid, seeds: int) -> list[Run]:
    """Return the trainings of a grid, seed after seed, without the losses that a network does not have.

    Args:
        grid: Networks, losses and targets.
        seeds: Number of seeds, from 0 on.

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
                runs |= {Run(network, loss, target, seed): None for target in targets}
    return list(runs)


def groups(done: Iterable[Any]) -> dict[tuple[str, str, str], list[Any]]:
    """Group results by network, loss and target, with all seeds in one group."""
    grouped: dict[tuple[str, str, str], list[Any]] = {}
    for result in done:
        grouped.setdefault((result.run.network, result.run.loss, result.run.target), []).append(result)
    return grouped


def folder_of(run: Run, out: Path) -> Path:
    """Return the folder of a training's files."""
    return out / run.name / f'seed{run.seed}'

"""What is trained: one network with one loss for one target, from one seed."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmseg_bisenet_lite import compat
from mmseg_bisenet_lite.apis.peers import PEERS, peer_config
from mmseg_bisenet_lite.pretrained.loading import read_config
from mmseg_bisenet_lite.utils.errors import InputError

# Where a data set's configs are in the project's folder of configs.
DATASETS = {'camvid': 'camvid', 'cityscapes': '.', 'toy': 'toy'}
LOSSES, TARGETS = ('ce', 'hinge'), ('human', 'vehicle')
# The first word of the configs' names, and the losses that it is trained with; lite-tuned is lite's network, trained otherwise
# than the paper's.
NETWORKS = {'lite': LOSSES, 'lite-tuned': ('hinge',), 'r18': LOSSES}

# The loss of a peer: it keeps those of its authors.
OWN = 'own'

Grid = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        network: One of ``NETWORKS`` or of ``PEERS``.
        loss: ``'ce'`` or ``'hinge'``; of a peer ``OWN``.
        target: ``'human'`` or ``'vehicle'``.
        seed: Of everything that is drawn.
    """

    network: str
    loss: str
    target: str
    seed: int

    @property
    def name(self) -> str:
        """Of the config, or what it would be for a peer."""
        return '_'.join(part for part in (self.network, self.loss, self.target) if part != OWN)

    def config(self, dataset: str, iterations: int | None) -> Config:
        """What it is trained with: the project's config, so long, from its seed.

        A peer takes over everything but the network and its losses from lite's config: data, rate and schedule.

        Args:
            dataset: A key of ``DATASETS``.
            iterations: Of the training, validated four times in it; ``None`` is the config's own number.

        Raises:
            InputError: There is no such config.
        """
        folder = compat.mim_folder('mmseg_bisenet_lite') / 'configs' / DATASETS[dataset]
        peer = self.loss == OWN
        config = read_config(str(folder / f'{f"lite_ce_{self.target}" if peer else self.name}.py'))
        if peer:
            _take_over(config, peer_config(self.network))
        if iterations is not None:
            _last_so_long(config, iterations)
        config.randomness = dict(seed=self.seed)
        config.pop('work_dir', None)
        return config


def _take_over(config: Config, peer: Config) -> None:
    """The peer's network, and what its losses want to be told of the labels."""
    peer.model.data_preprocessor.size = config.model.data_preprocessor.size
    config.model = peer.model
    steps = config.train_dataloader.dataset.pipeline
    edges = [step for step in peer.train_dataloader.dataset.pipeline if step['type'] == 'GenerateEdge']
    config.train_dataloader.dataset.pipeline = [*steps[:-1], *edges, steps[-1]]


def _last_so_long(config: Config, iterations: int) -> None:
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
    """``'lite,r18 x ce,hinge x human,vehicle'`` to the names of each side.

    Raises:
        InputError: It has not three sides, or one of them an unknown name.
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
    """The trainings of a grid, all of the first seed before those of the next; losses that a network has not are left out.

    Raises:
        InputError: None is left for a network.
    """
    networks, losses, targets = grid
    found: dict[Run, None] = {}
    for seed in range(seeds):
        for network in networks:
            taken = [loss for loss in losses if loss in NETWORKS[network]] if network in NETWORKS else [OWN]
            if not taken:
                raise InputError(
                    f'--grid: {network} is trained only with the loss {", ".join(NETWORKS[network])}; add it to the losses'
                )
            for loss in taken:
                found |= {Run(network, loss, target, seed): None for target in targets}
    return list(found)


def groups(done: Iterable[Any]) -> dict[tuple[str, str, str], list[Any]]:
    """Results by network, loss and target: those of the seeds together."""
    found: dict[tuple[str, str, str], list[Any]] = {}
    for result in done:
        found.setdefault((result.run.network, result.run.loss, result.run.target), []).append(result)
    return found


def folder_of(run: Run, out: Path) -> Path:
    """Where a training's files are."""
    return out / run.name / f'seed{run.seed}'

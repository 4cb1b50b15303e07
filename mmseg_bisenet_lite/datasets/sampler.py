"""An endless sampler whose every sample is determined by the seed and its place alone."""

import itertools
from collections.abc import Iterator, Sized

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from mmseg.registry import DATA_SAMPLERS
from torch.utils.data import Sampler

from mmseg_bisenet_lite.utils.errors import InputError


class SeededIndex(int):
    """The index of a sample, and the seed of whatever is drawn at random for it.

    MMEngine's ``RepeatDataset`` and ``ConcatDataset`` hand it on; ``ClassBalancedDataset`` hands on a plain index.

    Attributes:
        seed: From 0 to 2**32 - 1.
    """

    seed: int

    def __new__(cls, index: int, seed: int) -> 'SeededIndex':
        """An ``int`` for whoever knows nothing of the seed."""
        self = super().__new__(cls, index)
        self.seed = seed
        return self

    def __mod__(self, other: int) -> 'SeededIndex':
        """Of ``RepeatDataset``, which looks for the sample so."""
        return SeededIndex(int(self) % other, self.seed)

    def __sub__(self, other: int) -> 'SeededIndex':
        """Of ``ConcatDataset``, which looks for the sample so."""
        return SeededIndex(int(self) - other, self.seed)

    def __getnewargs__(self) -> tuple[int, int]:  # type: ignore[override]
        return int(self), self.seed


@DATA_SAMPLERS.register_module()
class SeededInfiniteSampler(Sampler):
    """``InfiniteSampler`` whose indices are :class:`SeededIndex`.

    Our data sets seed NumPy's and Python's generators with it, so a fixed seed gives fixed samples, whatever the number of
    workers and wherever a run was interrupted; with ``InfiniteSampler`` they depend on which worker drew how often before.

    Args:
        dataset: With a length.
        shuffle: Whether each pass is in an order of its own.
        seed: ``None`` draws one, the same in all processes.

    Raises:
        InputError: The data set is empty.
    """

    def __init__(self, dataset: Sized, shuffle: bool = True, seed: int | None = None) -> None:
        self.rank, self.world_size = get_dist_info()
        self.size = len(dataset)
        if not self.size:
            raise InputError('SeededInfiniteSampler: the data set has no samples')
        self.shuffle = shuffle
        self.seed: int = sync_random_seed() if seed is None else seed
        self.skipped = 0

    def __iter__(self) -> Iterator[SeededIndex]:
        """Every ``world_size``-th place from this process's first on, without end."""
        number, order = -1, np.arange(self.size)
        for place in itertools.count(self.rank + self.skipped * self.world_size, self.world_size):
            passed, offset = divmod(place, self.size)
            if self.shuffle and passed != number:
                number, order = passed, np.random.default_rng((self.seed, passed)).permutation(self.size)
            yield SeededIndex(order[offset], int(np.random.SeedSequence((self.seed, place)).generate_state(1)[0]))

    def skip(self, num_samples: int) -> None:
        """Begin after so many samples of this process, counted from the very first; for resumed runs, before iterating.

        The name and its argument are those of onedl's ``InfiniteSampler``, whose training loop calls it.
        """
        self.skipped = num_samples

    def __len__(self) -> int:
        return self.size

"""SeededInfiniteSampler: an infinite sampler whose samples depend only on the seed and the position."""

import itertools
from collections.abc import Iterator, Sized

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from mmseg.registry import DATA_SAMPLERS
from torch.utils.data import Sampler

from mmseg_bisenet_lite.utils.errors import InputError


class SeededIndex(int):
    """The index of a sample, with the seed of all random draws for the sample.

    MMEngine's ``RepeatDataset`` and ``ConcatDataset`` keep the seed; ``ClassBalancedDataset`` drops it.

    Attributes:
        seed: Seed from 0 to 2**32 - 1.
    """

    seed: int

    def __new__(cls, index: int, seed: int) -> 'SeededIndex':
        """Make an index that is a plain ``int`` for code that does not know the seed."""
        self = super().__new__(cls, index)
        self.seed = seed
        return self

    def __mod__(self, other: int) -> 'SeededIndex':
        """Keep the seed in ``RepeatDataset``, which finds the sample this way."""
        return SeededIndex(int(self) % other, self.seed)

    def __sub__(self, other: int) -> 'SeededIndex':
        """Keep the seed in ``ConcatDataset``, which finds the sample this way."""
        return SeededIndex(int(self) - other, self.seed)

    def __getnewargs__(self) -> tuple[int, int]:  # type: ignore[override]
        return int(self), self.seed


@DATA_SAMPLERS.register_module()
class SeededInfiniteSampler(Sampler):
    """``InfiniteSampler`` whose indices are :class:`SeededIndex`.

    Our data sets seed the generators of NumPy and Python with the index's seed. A fixed seed therefore gives fixed samples,
    for any number of workers and after any interruption. With ``InfiniteSampler`` the samples depend on how often their worker
    has drawn before.

    Args:
        dataset: Data set with a length.
        shuffle: Whether each pass over the data set has a random order of its own.
        seed: Seed; ``None`` draws one, which is the same in all processes.

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
        """Yield every ``world_size``-th index, beginning with this process's first, without end."""
        number, order = -1, np.arange(self.size)
        for place in itertools.count(self.rank + self.skipped * self.world_size, self.world_size):
            passed, offset = divmod(place, self.size)
            if self.shuffle and passed != number:
                number, order = passed, np.random.default_rng((self.seed, passed)).permutation(self.size)
            yield SeededIndex(order[offset], int(np.random.SeedSequence((self.seed, place)).generate_state(1)[0]))

    def skip(self, num_samples: int) -> None:
        """Skip the first samples of this process, for a resumed run; call this before iterating.

        Method and argument are named as in onedl's ``InfiniteSampler``, since onedl's training loop calls this.

        Args:
            num_samples: Number of samples to skip, counted from the very first.
        """
        self.skipped = num_samples

    def __len__(self) -> int:
        return self.size

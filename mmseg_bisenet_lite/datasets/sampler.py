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

    In a training by epochs, where an infinite sampler would never end the first one, importing this package makes MMEngine's
    ``EpochBasedTrainLoop`` ask for one pass in each epoch.

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
            raise InputError(
                'SeededInfiniteSampler: the data set has no samples; check its data_root, data_prefix and ann_file'
            )
        self.shuffle = shuffle
        self.seed: int = sync_random_seed() if seed is None else seed
        self.skipped = 0
        self.number: int | None = None

    def __iter__(self) -> Iterator[SeededIndex]:
        """Yield every ``world_size``-th index, beginning with this process's first: without end, or one pass."""
        if self.number is not None:
            order, length = self._order(self.number), len(self) * self.world_size
            for place in range(self.rank + self.skipped * self.world_size, length, self.world_size):
                # The first indices once more, so that all processes have as many.
                yield self._seeded(order[place % self.size], self.number * length + place)
            return
        number, order = -1, np.arange(self.size)
        for place in itertools.count(self.rank + self.skipped * self.world_size, self.world_size):
            passed, offset = divmod(place, self.size)
            if passed != number:
                number, order = passed, self._order(passed)
            yield self._seeded(order[offset], place)

    def _order(self, number: int) -> np.ndarray:
        return np.random.default_rng((self.seed, number)).permutation(self.size) if self.shuffle else np.arange(self.size)

    def _seeded(self, index: int, place: int) -> SeededIndex:
        return SeededIndex(index, int(np.random.SeedSequence((self.seed, place)).generate_state(1)[0]))

    def skip(self, num_samples: int) -> None:
        """Skip the first samples of this process, for a resumed run; call this before iterating.

        Method and argument are named as in onedl's ``InfiniteSampler``, since onedl's training loop calls this.

        Args:
            num_samples: Number of samples to skip, counted from the very first.
        """
        self.skipped = num_samples

    def only_pass(self, number: int, skipped: int = 0) -> None:
        """Yield one pass in place of an endless stream, for an epoch; call this before iterating.

        Args:
            number: Number of the pass, from 0 on.
            skipped: Number of this process's samples to skip in it, for a run that is resumed within an epoch.
        """
        self.number, self.skipped = number, skipped

    def __len__(self) -> int:
        """Number of samples that one pass has in this process."""
        return -(-self.size // self.world_size)

"""The result of a candidate's training, and its file."""

import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

from mmseg_bisenet_lite.utils.errors import as_input_error
from mmseg_bisenet_lite.utils.files import write_text


@dataclass(frozen=True)
class Result:
    """The result of a training.

    Attributes:
        candidate: Name of the candidate.
        seed: Random seed.
        iterations: Number of iterations.
        scores: Metrics of ``BinaryIoUMetric`` with the last checkpoint, by target and drive left out.
        config: Digest of the config.
        made_with: Versions and device of each start, joined by ``' and '`` where they changed on resuming.
    """

    candidate: str
    seed: int
    iterations: int
    scores: dict[str, dict[str, dict[str, float]]]
    config: str
    made_with: dict[str, str | None]

    def mean(self, metric: str) -> float:
        """Return the mean of a metric over targets and drives, each with the same weight."""
        return statistics.mean(of_drive[metric] for of_target in self.scores.values() for of_drive in of_target.values())

    @classmethod
    def load(cls, file: Path) -> 'Result':
        """Read a file that :meth:`save` wrote.

        Raises:
            InputError: The file is not such a result.
        """
        with as_input_error(
            f'{file}: not a result of tools/search.py; delete it and run again', OSError, ValueError, TypeError, KeyError
        ):
            result = cls(**json.loads(file.read_text()))
            result.mean('AP')
            return result

    def save(self, file: Path) -> None:
        """Write the result as JSON."""
        write_text(file, json.dumps(asdict(self), indent=1) + '\n')

"""The result of a training, and its file."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from mmseg_bisenet_lite.reproduce.config import Run
from mmseg_bisenet_lite.utils.errors import as_input_error
from mmseg_bisenet_lite.utils.files import write_text


@dataclass(frozen=True)
class Result:
    """The result of a training.

    Attributes:
        run: The training.
        iterations: Number of iterations.
        metrics: Metrics of ``BinaryIoUMetric`` on the val set or the drive left out, with the last checkpoint.
        curve: (iteration, mIoU in %) of each validation.
        config: Digest of the config.
        made_with: Versions and device of each start, joined by ``' and '`` where they changed on resuming.
    """

    run: Run
    iterations: int
    metrics: dict[str, float]
    curve: list[tuple[int, float]]
    config: str
    made_with: dict[str, str | None]

    @classmethod
    def load(cls, file: Path) -> 'Result':
        """Read a file that :func:`save` wrote.

        Raises:
            InputError: The file is not such a result.
        """
        with as_input_error(
            f'{file}: not a result of tools/reproduce.py; delete it and run again', OSError, ValueError, TypeError, KeyError
        ):
            content = json.loads(file.read_text())
            content['run'] = Run(**content['run'])
            content['curve'] = [(step, value) for step, value in content['curve']]
            content['metrics']['mIoU']
            return cls(**content)


def save(result: Result, file: Path) -> None:
    """Write a result as JSON."""
    write_text(file, json.dumps(asdict(result), indent=1) + '\n')

"""What each training came to, and its file."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from mmseg_bisenet_lite.reproduce.config import Run
from mmseg_bisenet_lite.utils.errors import as_input_error
from mmseg_bisenet_lite.utils.files import write_text


@dataclass(frozen=True)
class Result:
    """What a training came to.

    Attributes:
        run: What was trained.
        iterations: How long.
        metrics: On val with the last weights: what ``BinaryIoUMetric`` logs.
        curve: (iteration, mIoU in %) of each validation.
        config: Digest of the config that it was trained with.
        made_with: Versions and device at its start; several, where it was resumed with others.
    """

    run: Run
    iterations: int
    metrics: dict[str, float]
    curve: list[tuple[int, float]]
    config: str
    made_with: dict[str, str | None]

    @classmethod
    def load(cls, file: Path) -> 'Result':
        """Read the file of :func:`save`.

        Raises:
            InputError: It is not one.
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
    """Write a result's file."""
    write_text(file, json.dumps(asdict(result), indent=1) + '\n')

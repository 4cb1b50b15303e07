"""Scores of a checkpoint."""

import warnings
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from mmseg_bisenet_lite.engine.threshold_hook import decision_of


def scores_of(config: Config, checkpoint: str, work_dir: Path) -> dict[str, float]:
    """Test a checkpoint with MMSegmentation on the config's ``test_dataloader``; return the scores.

    Args:
        config: Config of the training.
        checkpoint: File or name of the checkpoint, as MMEngine accepts it.
        work_dir: Folder for the log.
    """
    return scores_and_decision(config, checkpoint, work_dir)[0]


def scores_and_decision(config: Config, checkpoint: str, work_dir: Path) -> tuple[dict[str, float], dict[str, Any]]:
    """Return the scores, as :func:`scores_of`, and what the test found about the decision, for a checkpoint's ``meta``."""
    config = config.copy()
    config.load_from, config.resume, config.work_dir = checkpoint, False, str(work_dir)
    # Persistent workers end only when their loader is garbage-collected, which can take five seconds for each of them.
    config.test_dataloader = {**config.test_dataloader, 'persistent_workers': False}
    with warnings.catch_warnings():
        # Of deprecated functions, pictures that are not drawn and the number of workers: the same in each of many tests.
        warnings.filterwarnings('ignore', category=UserWarning, module=r'(mmseg|mmengine|torch\.utils\.data)\.')
        runner = Runner.from_cfg(config)
        scores = {name: round(float(value), 2) for name, value in runner.test().items()}
    return scores, decision_of(runner.test_loop)

"""Scores of a checkpoint."""

from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner


def scores_of(config: Config, checkpoint: str, work_dir: Path) -> dict[str, float]:
    """Test a checkpoint with MMSegmentation on the config's ``test_dataloader``; return the scores.

    Args:
        config: Config of the training.
        checkpoint: File or name of the checkpoint, as MMEngine accepts it.
        work_dir: Folder for the log.
    """
    config = config.copy()
    config.load_from, config.work_dir = checkpoint, str(work_dir)
    # Persistent workers end only when their loader is garbage-collected, which can take five seconds for each of them.
    config.test_dataloader = {**config.test_dataloader, 'persistent_workers': False}
    return {name: round(float(value), 2) for name, value in Runner.from_cfg(config).test().items()}

"""What a checkpoint scores."""

from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner


def scores_of(config: Config, checkpoint: str, work_dir: Path) -> dict[str, float]:
    """What MMSegmentation's test of a checkpoint finds on the config's ``test_dataloader``.

    Args:
        config: Of the training.
        checkpoint: As MMEngine takes it.
        work_dir: For the log.
    """
    config = config.copy()
    config.load_from, config.work_dir = checkpoint, str(work_dir)
    # Workers that are kept for another pass end when their loader is collected, which can wait five seconds for each.
    config.test_dataloader = {**config.test_dataloader, 'persistent_workers': False}
    return {name: round(float(value), 2) for name, value in Runner.from_cfg(config).test().items()}

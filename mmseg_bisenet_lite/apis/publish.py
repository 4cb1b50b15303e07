"""Publish a checkpoint: write weights for others to use, tested exactly as they are shipped."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.runner.checkpoint import CheckpointLoader
from mmseg.registry import MODELS
from torch import Tensor

from mmseg_bisenet_lite import __version__, compat
from mmseg_bisenet_lite.apis.scores import scores_and_decision
from mmseg_bisenet_lite.compat import check_weights
from mmseg_bisenet_lite.datasets.metainfo import metainfo_of
from mmseg_bisenet_lite.models.decision import folded_thresholds
from mmseg_bisenet_lite.pretrained.loading import read_config
from mmseg_bisenet_lite.pretrained.names import SUFFIX, checkpoint_file
from mmseg_bisenet_lite.pretrained.weights import save_weights
from mmseg_bisenet_lite.utils import schema
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.heads import AUXILIARY, MAIN, without_auxiliary_heads


def publish(config: str, checkpoint: str, file: Path, work_dir: Path, head: str = MAIN) -> dict[str, float]:
    """Write the weights in half precision, test them, and add the scores and what the test found about the decision.

    Auxiliary heads are left out, since only training uses them.

    Published weights may be published again, to add what a newer version finds: their tensors stay the same to the byte.

    Args:
        config: File of the training's config, one that comes with the package.
        checkpoint: Checkpoint of the training, or published weights.
        file: Output file, ``.safetensors``; it gets its name only when everything is done.
        work_dir: Folder for the log of the test.
        head: Head of the checkpoint that finds what the config is for: in a network that has learned several targets, such as
            ``'auxiliary_head.0'``. It and the main head change places.

    Returns:
        The scores of ``BinaryIoUMetric`` on the config's ``test_dataloader``.

    Raises:
        InputError: A file or ``head`` is missing or does not fit, or the test set does not have pixels of both classes.
    """
    if file.suffix != SUFFIX:
        raise InputError(f'{file}: the name of the output file must end in {SUFFIX}')
    settings = read_config(config)
    checkpoint_file(checkpoint)
    loaded = CheckpointLoader.load_checkpoint(checkpoint, 'cpu')
    told = ((loaded.get('meta') or {}).get('dataset_meta') or {}).get('classes')
    if not told or 'state_dict' not in loaded:
        raise InputError(f'{checkpoint}: names no classes or holds no state_dict; give a checkpoint that tools/train.py wrote')
    dataset_meta = {key: list(value) for key, value in metainfo_of(settings.test_dataloader.dataset).items()}
    wanted = dataset_meta['classes']
    if head == MAIN and list(told) != wanted:
        raise InputError(
            f'{checkpoint}: its classes are {", ".join(told)}, but those of {config} are {", ".join(wanted)}; give the config '
            'that it was trained with, or with --head the head that finds them'
        )
    if head != MAIN and list(told) == wanted:
        raise InputError(
            f'--head {head}: what {config} is for, {wanted[1]}, the main head of {checkpoint} finds; leave --head out, or give '
            'the config of another target'
        )
    meta = {'config_name': _name(config), 'dataset_meta': dataset_meta, 'version': __version__}
    weights = loaded['state_dict']  # the averaged weights, if the training used MMEngine's EMAHook
    if head != MAIN:
        weights = with_main_head(weights, head, checkpoint)
    check_weights(MODELS.build(settings.model), {**loaded, 'state_dict': weights}, checkpoint)
    weights = without_auxiliary_heads(weights)
    draft = file.with_suffix(f'.draft{SUFFIX}')
    try:
        save_weights(draft, weights, meta)
        metrics, decision = scores_and_decision(settings, str(draft), work_dir)
        if not decision:
            raise InputError(f'{config}: its test_evaluator gives no threshold; set test_evaluator.type=BinaryIoUMetric')
        save_weights(file, weights, {**meta, **_folded(loaded, checkpoint, head), **decision, 'metrics': metrics})
    finally:
        draft.unlink(missing_ok=True)
    return metrics


def with_main_head(weights: Mapping[str, Tensor], head: str, checkpoint: str) -> dict[str, Tensor]:
    """Return weights in which a head and the main head have changed places."""
    found = (re.match(rf'{AUXILIARY}(\.\d+)?', key) for key in weights)
    heads = sorted({match[0] for match in found if match})
    if head not in heads:
        told = ', '.join([MAIN, *heads])
        raise InputError(f'--head {head}: {checkpoint} has no such head; choose from {told}')
    places = {f'{MAIN}.': f'{head}.', f'{head}.': f'{MAIN}.'}
    moved = {}
    for key, value in weights.items():
        old = next((place for place in places if key.startswith(place)), '')
        moved[places.get(old, '') + key.removeprefix(old)] = value
    return moved


def _folded(loaded: dict[str, Any], checkpoint: str, head: str) -> dict[str, float]:
    """Return what the end of the training did to the decision of a head, which no test can find out."""
    threshold = folded_thresholds(loaded['meta'], checkpoint).get(head)
    return {} if threshold is None else {schema.FOLDED: threshold}


def _name(config: str) -> str:
    """Return the path of a config in the package's folder of configs."""
    folder = (compat.mim_folder('mmseg_bisenet_lite') / 'configs').resolve()
    path = Path(config).resolve()
    if not path.is_relative_to(folder):
        raise InputError(f'{config}: give one of the configs in {folder}; users of the weights have no other')
    return path.relative_to(folder).as_posix()

"""Networks for inference, from configs and checkpoints."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmseg.apis import init_model
from mmseg.models import BaseSegmentor

from mmseg_bisenet_lite import compat
from mmseg_bisenet_lite.datasets.metainfo import metainfo_of
from mmseg_bisenet_lite.models.decision import set_threshold
from mmseg_bisenet_lite.pretrained.names import checkpoint_file, with_scheme
from mmseg_bisenet_lite.pretrained.weights import read_meta
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error, first_line
from mmseg_bisenet_lite.utils.locks import OUTPUT
from mmseg_bisenet_lite.utils.schema import read, two_classes, two_colours


def parse_config(file: str) -> Config:
    """Read a config file of any content.

    A config is code: MMEngine runs a ``.py`` file, tags in a ``.yaml`` file can run anything, and ``custom_imports`` imports
    what it names. Read only configs that you trust. Checkpoints, in contrast, run nothing.

    Raises:
        InputError: The file is missing, or reading it raises an error.
    """
    if not Path(file).is_file():
        raise InputError(f'{file}: there is no such config')
    try:
        return Config.fromfile(file)
    except Exception as error:  # whatever the code of a config raises
        raise InputError(f'{file}: cannot be read as a config: {type(error).__name__}: {first_line(error)}') from error


def read_config(file: str) -> Config:
    """Read the config of a model, as :func:`parse_config` does.

    Raises:
        InputError: The file is missing or cannot be read, or it is not the config of a model.
    """
    config = parse_config(file)
    if 'model' not in config:
        raise InputError(f'{file}: this config defines no model; give the config of a segmentor')
    return config


def load_segmentor(source: str, config: Config, checkpoint: str | None, threshold: str | float | None = None) -> BaseSegmentor:
    """Build a segmentor for inference: float32, on the CPU, without gradients and without auxiliary heads.

    Args:
        source: Name of the config in error messages.
        config: The config, as :func:`read_config` returns it.
        checkpoint: File of the weights, or ``bisenet-lite://NAME``; ``None`` keeps the initial weights.
        threshold: Threshold of the margin: ``None`` is 0; ``'best'``, ``'recall=R'`` or ``'precision=P'`` is the
            checkpoint's; or a number.

    Raises:
        InputError: The checkpoint is missing or does not fit, one of its weights is NaN or infinite, the config does not build
            a segmentor, or the checkpoint holds no such threshold.
    """
    if checkpoint is not None:
        checkpoint_file(checkpoint)
    with OUTPUT, warnings.catch_warnings():
        # The losses are not run, but warn of their settings; the class names are not needed, and may be missing.
        warnings.filterwarnings('ignore', category=UserWarning, module='mmseg')
        what = f'{source}: no segmentor can be built from this config'
        with as_input_error(what, AttributeError, KeyError, TypeError, ValueError):
            segmentor = init_model(config, None, device='cpu')
        if checkpoint is not None:
            segmentor = init_model(config, checkpoint, device='cpu')
            compat.check_finite(segmentor.state_dict(), checkpoint)
    if checkpoint is not None and threshold is not None:
        set_threshold(segmentor, threshold, checkpoint)
    if not hasattr(segmentor, 'encode_decode'):
        raise InputError(f'{source}: {type(segmentor).__name__} is no segmentor with encode_decode; give the config of one')
    if getattr(segmentor, 'auxiliary_head', None) is not None:
        segmentor.auxiliary_head = None
    return revert_sync_batchnorm(segmentor).requires_grad_(False).eval()


def pretrained_config(name: str) -> Config:
    """Return the config that weights of the package were trained with.

    Args:
        name: Name of the weights, one of :func:`~mmseg_bisenet_lite.pretrained.names`, with or without ``bisenet-lite://``.

    Raises:
        InputError: There are no such weights.
    """
    meta = read_meta(with_scheme(name))
    return read_config(str(compat.mim_folder('mmseg_bisenet_lite') / 'configs' / str(meta['config_name'])))


def dataset_meta_of(checkpoint: Mapping[str, Any], name: str, config: Config) -> dict:
    """Return classes and palette of the checkpoint, or of the config's dataset if the checkpoint has none.

    MMSegmentation's ``init_model`` would fall back to any dataset with the same number of classes.

    Args:
        checkpoint: The checkpoint, as MMEngine loads it.
        name: Name of its file, for error messages.
        config: The config.

    Raises:
        InputError: The config has no val set, or checkpoint and config do not have the same two classes.
    """
    with as_input_error(f'{config.filename}: has no val_dataloader with a dataset; add one', AttributeError, TypeError):
        dataset = config.val_dataloader.dataset
    expected = metainfo_of(dataset)
    named = (checkpoint.get('meta') or {}).get('dataset_meta') or {}
    told = {key: named[key] for key in ('classes', 'palette') if named.get(key) is not None and len(named[key])}
    dataset_meta = {**expected, **told}
    if len(dataset_meta['classes']) != 2 or tuple(dataset_meta['classes']) != tuple(expected['classes']):
        here, there = (', '.join(meta['classes']) for meta in (dataset_meta, expected))
        raise InputError(f'{name}: it has the classes {here}, the config {there}; both must have the same two classes')
    if not dataset_meta.get('palette'):
        raise InputError(
            f'{config.filename}: its val set has no colours; set metainfo.palette, such as [[0, 0, 0], [220, 20, 60]]'
        )
    read(dataset_meta, {'classes': two_classes, 'palette': two_colours}, f'{name} with {config.filename}')
    return dataset_meta

"""Networks with the weights that come with the package."""

import hashlib
import os
from pathlib import Path
from typing import Any

import torch
from mmseg.apis import init_model as host_init_model
from mmseg.models import BaseSegmentor

from mmseg_bisenet_lite import compat
from mmseg_bisenet_lite.deploy.segmenter import SCHEME
from mmseg_bisenet_lite.errors import InputError
from mmseg_bisenet_lite.evaluation.threshold import chosen_threshold, set_threshold
from mmseg_bisenet_lite.pretrained.weights import load_from_safetensors, weights_file
from mmseg_bisenet_lite.segmentor import load_segmentor, read_config


def init_model(name: str, device: str = 'cpu', threshold: str | float | None = None) -> BaseSegmentor:
    """A network that is trained, for ``inference_model`` and ``show_result_pyplot``, as MMSegmentation's ``init_model`` gives.

    Args:
        name: One of :func:`names`.
        device: Where it is put.
        threshold: Of the margin: ``None`` is 0, as it was trained; ``'best'`` the one with the highest F1 on val; or a number.

    Raises:
        InputError: There are no such weights, or no such threshold.

    Example:
        >>> model = init_model('lite_hinge_vehicle_camvid')
        >>> mask = inference_model(model, 'street.jpg').pred_sem_seg.data[0]  # (H, W), 1 is vehicle
    """
    name = name.removeprefix(SCHEME)
    checkpoint = load_from_safetensors(f'{SCHEME}{name}')
    model: BaseSegmentor = host_init_model(read_config(str(config_file(checkpoint))), f'{SCHEME}{name}', device=device)
    if threshold is not None:
        set_threshold(model, threshold, f'{SCHEME}{name}')
    return model


def config_file(checkpoint: dict[str, Any]) -> Path:
    """The config of weights that come with the package."""
    return compat.mim_folder('mmseg_bisenet_lite') / 'configs' / str(checkpoint['meta']['config_name'])


def exported(
    name: str,
    size: tuple[int, int] | None = None,
    format: str = 'torch',
    threshold: str | float | None = None,
    folder: str | Path | None = None,
) -> Path:
    """The file of such a network for :class:`~mmseg_bisenet_lite.deploy.Segmenter`, written the first time it is asked for.

    Args:
        name: One of :func:`names`.
        size: (width, height) of the frames; ``None`` is any.
        format: Of ``tools/export.py``; float32, with the margin.
        threshold: As in :func:`init_model`.
        folder: Where it is kept; ``mmseg_bisenet_lite`` in ``$XDG_CACHE_HOME``, or in ``~/.cache``, by default.

    Raises:
        InputError: There are no such weights, or a library for the format is missing.
    """
    from mmseg_bisenet_lite import __version__
    from mmseg_bisenet_lite.deploy import Metadata
    from mmseg_bisenet_lite.export.formats import FORMATS, format_module
    from mmseg_bisenet_lite.export.job import Job
    from mmseg_bisenet_lite.files import replacing

    if format not in FORMATS:
        raise InputError(f'format={format!r}: give one of {", ".join(FORMATS)}')
    name = name.removeprefix(SCHEME)
    source = f'{SCHEME}{name}'
    checkpoint = load_from_safetensors(source)
    config = read_config(str(config_file(checkpoint)))
    digest = hashlib.sha256(weights_file(source).read_bytes()).hexdigest()
    value = 0.0 if threshold is None else chosen_threshold(threshold, checkpoint, name)
    cache = Path(folder or Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'mmseg_bisenet_lite')
    cache.mkdir(parents=True, exist_ok=True)
    frames = '{}x{}'.format(*size) if size else 'dynamic'
    file = cache / f'{name}-{frames}-{value:g}-{__version__}-{torch.__version__}-{digest[:8]}{FORMATS[format][1]}'
    if not file.is_file():
        classes = checkpoint['meta']['dataset_meta']
        metadata = Metadata(
            classes=tuple(classes['classes']),
            palette=tuple(tuple(colour) for colour in classes['palette']),
            size=size,
            batch=1 if size else None,
            precision='fp32',
            margin=True,
            config=str(checkpoint['meta']['config_name']),
            commit=None,
            weights_sha256=digest,
            version=__version__,
            threshold=value,
        )
        segmentor = load_segmentor(name, config, source, value)
        temporary_suffix = f'.{os.getpid()}{FORMATS[format][1]}'
        with replacing(file, temporary_suffix) as temporary:
            format_module(format).write(Job(segmentor, metadata), temporary)
            if format == 'openvino':
                temporary.with_suffix('.bin').replace(file.with_suffix('.bin'))
    return file

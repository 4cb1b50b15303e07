"""Weight files: safetensors in half precision, with metadata. MMEngine loads them like its own checkpoints."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor

from mmseg_bisenet_lite.pretrained.names import SCHEME, SUFFIX, checkpoint_file
from mmseg_bisenet_lite.utils.errors import InputError, first_line
from mmseg_bisenet_lite.utils.files import atomic_write
from mmseg_bisenet_lite.utils.library import require
from mmseg_bisenet_lite.utils.schema import Lie, check_checkpoint_meta, parse_json

# Key of our text in the file's metadata.
_KEY = 'mmseg_bisenet_lite'


@CheckpointLoader.register_scheme(prefixes=[SCHEME, rf'.*\{SUFFIX}$'])
def load_from_safetensors(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Load weights for MMEngine: a dict with ``state_dict``, in float32, and ``meta``.

    Args:
        filename: ``bisenet-lite://NAME``, or a safetensors file, such as :func:`save_weights` writes.
        map_location: Device to load to; the CPU by default.

    Raises:
        InputError: The file is missing, damaged or not a safetensors file.
    """
    with _opened(filename) as content:
        meta = _meta(content, filename)
        weights = {key: content.get_tensor(key) for key in content.keys()}  # noqa: SIM118  it is not a mapping
    device = map_location if isinstance(map_location, str | torch.device) else 'cpu'
    return {'state_dict': {key: _as(value, torch.float32).to(device) for key, value in weights.items()}, 'meta': meta}


def read_meta(filename: str) -> dict[str, Any]:
    """Read the ``meta`` of :func:`load_from_safetensors`, without the weights.

    Raises:
        InputError: As there.
    """
    with _opened(filename) as content:
        return _meta(content, filename)


@contextmanager
def _opened(filename: str) -> Iterator[Any]:
    file = checkpoint_file(filename)
    library = require('safetensors', 'safetensors')
    errors = (library.SafetensorError, OSError, KeyError, MemoryError, OverflowError, RuntimeError, TypeError, ValueError)
    try:
        with library.safe_open(file, 'pt') as content:
            yield content
    except InputError:
        raise
    except errors as error:
        raise InputError(f'{file}: not a safetensors file, or a damaged one: {first_line(error)}') from error


def _meta(content: Any, filename: str) -> dict[str, Any]:
    text = (content.metadata() or {}).get(_KEY, '{}')  # files of other programs have none
    try:
        meta: dict[str, Any] = parse_json(text)
    except Lie as lie:
        raise InputError(f'{filename}: not a safetensors file, or a damaged one: its metadata must be {lie}') from lie
    check_checkpoint_meta(meta, filename)
    return meta


def save_weights(file: Path, weights: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write a safetensors file, with floating-point weights in half precision.

    Args:
        file: Output file, whose name ends in ``.safetensors``.
        weights: A ``state_dict``.
        meta: Metadata that can be written as JSON.

    Raises:
        InputError: A weight is NaN, infinite or too large for half precision.
    """
    halved = {key: _as(value, torch.float16).contiguous() for key, value in weights.items()}
    for key, value in halved.items():
        if not value.isfinite().all():
            raise InputError(f'{file}: the weight {key} is NaN, infinite or too large for half precision')
    library = require('safetensors.torch', 'safetensors')
    content = library.save(halved, {_KEY: json.dumps(meta), 'format': 'pt'})
    with atomic_write(file) as temporary:
        temporary.write_bytes(content)  # save_file has an error of its own for a full disk


def _as(value: Tensor, dtype: torch.dtype) -> Tensor:
    return value.to(dtype) if value.is_floating_point() else value

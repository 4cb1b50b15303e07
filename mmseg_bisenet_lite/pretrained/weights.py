"""Files of weights: half precision, safetensors, and what they are said to be; MMEngine loads them like its checkpoints."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor

from mmseg_bisenet_lite.pretrained.names import SCHEME, SUFFIX, checkpoint_file
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.files import atomic_write
from mmseg_bisenet_lite.utils.library import require

# Of the text in the file's own metadata.
_KEY = 'mmseg_bisenet_lite'


@CheckpointLoader.register_scheme(prefixes=[SCHEME, rf'.*\{SUFFIX}$'])
def load_from_safetensors(filename: str, map_location: Any = None) -> dict[str, Any]:
    """What MMEngine loads: ``state_dict``, in float32, and ``meta``.

    Args:
        filename: ``bisenet-lite://NAME``, or a safetensors file, such as one of :func:`save_weights`.
        map_location: Where to; the host by default.

    Raises:
        InputError: It is not there, or not such a file.
    """
    file = checkpoint_file(filename)
    library = require('safetensors', 'safetensors')
    with (
        as_input_error(
            f'{file}: not a safetensors file, or a damaged one',
            library.SafetensorError,
            OSError,
            KeyError,
            TypeError,
            ValueError,
        ),
        library.safe_open(file, 'pt') as content,
    ):
        meta = json.loads((content.metadata() or {}).get(_KEY, '{}'))  # somebody else's has none
        weights = {key: content.get_tensor(key) for key in content.keys()}  # noqa: SIM118  it is no mapping
    device = map_location if isinstance(map_location, str | torch.device) else 'cpu'
    return {'state_dict': {key: _as(value, torch.float32).to(device) for key, value in weights.items()}, 'meta': meta}


def save_weights(file: Path, weights: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write such a file, the floating numbers in half precision.

    Args:
        file: Ends in ``.safetensors``.
        weights: A ``state_dict``.
        meta: What JSON can hold.

    Raises:
        InputError: A weight is NaN, infinite or too large for half precision.
    """
    halved = {key: _as(value, torch.float16).contiguous() for key, value in weights.items()}
    for key, value in halved.items():
        if not value.isfinite().all():
            raise InputError(f'{file}: the weight {key} is NaN, infinite or too large for half precision')
    with atomic_write(file) as temporary:
        require('safetensors.torch', 'safetensors').save_file(halved, temporary, {_KEY: json.dumps(meta), 'format': 'pt'})
        temporary.chmod(0o644)  # the library lets nobody else read it


def _as(value: Tensor, dtype: torch.dtype) -> Tensor:
    return value.to(dtype) if value.is_floating_point() else value

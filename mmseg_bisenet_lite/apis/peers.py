"""MMSegmentation's real-time models for two classes, by short names, from the configs of the installed host."""

from typing import Any

from mmengine.config import Config

from mmseg_bisenet_lite import compat
from mmseg_bisenet_lite.utils.errors import InputError

# Short name -> path of the config in the host's folder of configs.
PEERS = {
    'bisenetv1-r18': 'bisenetv1/bisenetv1_r18-d32_4xb4-160k_cityscapes-1024x1024.py',
    'bisenetv2': 'bisenetv2/bisenetv2_fcn_4xb4-160k_cityscapes-1024x1024.py',
    'stdc1': 'stdc/stdc1_4xb12-80k_cityscapes-512x1024.py',
    'stdc2': 'stdc/stdc2_4xb12-80k_cityscapes-512x1024.py',
    'fastscnn': 'fastscnn/fast_scnn_8xb4-160k_cityscapes-512x1024.py',
    'ddrnet23-slim': 'ddrnet/ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes-1024x1024.py',
    'pidnet-s': 'pidnet/pidnet-s_2xb6-120k_1024x1024-cityscapes.py',
    'icnet': 'icnet/icnet_r18-d8_4xb2-80k_cityscapes-832x832.py',
    'cgnet': 'cgnet/cgnet_fcn_4xb8-60k_cityscapes-512x1024.py',
    'erfnet': 'erfnet/erfnet_fcn_4xb4-160k_cityscapes-512x1024.py',
}


def peer_config(name: str) -> Config:
    """Return the host's config of a peer, with two-class heads and without weights to download.

    Args:
        name: A key of ``PEERS``.

    Raises:
        InputError: The name is unknown.
    """
    if name not in PEERS:
        raise InputError(f'{name!r} is not a peer; choose from {", ".join(PEERS)}')
    config = Config.fromfile(compat.mim_folder('mmseg') / 'configs' / PEERS[name])
    config.model = _for_two_classes(config.model.to_dict())
    return config


def _for_two_classes(part: Any) -> Any:
    """Return a part of a model's config with two classes, without the 19 class weights and without pretrained weights."""
    if isinstance(part, list | tuple):
        return type(part)(_for_two_classes(item) for item in part)
    if not isinstance(part, dict):
        return part
    pretrained = {key for key in part if key == 'pretrained' or _is_pretrained(key, part[key])}
    kept = {key: _for_two_classes(value) for key, value in part.items() if key not in {'class_weight', *pretrained}}
    return {**kept, 'num_classes': 2} if 'num_classes' in part else kept


def _is_pretrained(key: str, value: Any) -> bool:
    return key == 'init_cfg' and isinstance(value, dict) and value.get('type') == 'Pretrained'

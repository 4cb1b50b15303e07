"""Checkpoints: load without running code from them, and refuse those that do not fit."""

import os
import pickle
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

from mmseg_bisenet_lite.compat.fixes import fix
from mmseg_bisenet_lite.utils.errors import InputError, first_line


@fix(
    'safe-checkpoints',
    broken=(
        'with torch >= 2.6, mmengine 0.10.7 cannot read its own checkpoints; onedl-mmengine reads any checkpoint and '
        'runs the code in it; both run a config that is stored in a checkpoint'
    ),
    versions='mmengine 0.10.7 with torch >= 2.6; onedl-mmengine 0.10.12',
    delete_when='mmengine always loads checkpoints with weights_only=True, and runs nothing that they hold',
)
def _load_checkpoints_safely() -> bool:
    import torch
    from mmengine.infer import BaseInferencer
    from mmengine.runner import checkpoint as host

    def torch_load(file: Any, map_location: Any = None, weights_only: bool | None = None) -> Any:
        return torch.load(file, map_location=map_location, weights_only=True)

    original = host.CheckpointLoader.load_checkpoint.__func__

    def load_checkpoint(cls: type, filename: str, map_location: Any = None, logger: Any = 'current') -> Any:
        try:
            # The loaders of the various schemes call torch.load in their own ways, so the settings are made around them.
            with _forced_weights_only(), torch.serialization.safe_globals(_checkpoint_types()):
                checkpoint = original(cls, filename, map_location, logger)
        except (FileNotFoundError, InputError):
            raise
        except pickle.UnpicklingError as error:
            code = re.search(r'GLOBAL (\S+)', str(error))
            what = f'it would run {code[1]}' if code else 'it holds other objects or is damaged'
            raise InputError(f'{filename}: refused: {what}; only weights and plain data are loaded') from error
        except (EOFError, OSError, RuntimeError, ValueError, LookupError) as error:  # torch.load raises these for damaged files
            raise InputError(f'{filename}: cannot be read; the file may be damaged ({first_line(error)})') from error
        if not isinstance(checkpoint, dict):
            raise InputError(f'{filename}: holds a {type(checkpoint).__name__}, but a checkpoint is a dict')
        if isinstance(checkpoint.get('meta'), dict):
            checkpoint['meta'].pop('config', None)  # Runner.resume would run it as Python code, to look for "gpu_ids"
        return checkpoint

    init_model = BaseInferencer._init_model

    def _init_model(self: Any, cfg: Any, weights: str | None, device: str = 'cpu') -> Any:
        if not cfg:
            raise InputError(f'{weights}: give the config too; the one stored in a checkpoint is code and is not run')
        return init_model(self, cfg, weights, device)

    if hasattr(host, '_safe_torch_load'):  # onedl's version allows any getattr, and falls back to running code
        host._safe_torch_load = torch_load
    host.CheckpointLoader.load_checkpoint = classmethod(load_checkpoint)
    BaseInferencer._init_model = _init_model
    return True


@contextmanager
def _forced_weights_only() -> Iterator[None]:
    names = ('TORCH_FORCE_WEIGHTS_ONLY_LOAD', 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD')
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    os.environ[names[0]] = '1'
    try:
        yield
    finally:
        del os.environ[names[0]]
        os.environ.update(before)


def _checkpoint_types() -> list[Any]:
    """Return the types that MMEngine writes into a checkpoint beyond tensors and plain containers, with their pickled names."""
    import numpy as np
    from mmengine.logging import HistoryBuffer
    from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

    core = np._core if hasattr(np, '_core') else np.core
    modules = ('numpy.core.multiarray', 'numpy._core.multiarray')  # NumPy 1 and 2 write different names
    dtypes = {type(np.dtype(code)) for code in '?' + np.typecodes['AllInteger'] + np.typecodes['AllFloat']}

    return [
        HistoryBuffer,
        OneCycleParamScheduler,
        np.ndarray,
        np.dtype,
        *dtypes,
        *((core.multiarray._reconstruct, f'{module}._reconstruct') for module in modules),
        *((core.multiarray.scalar, f'{module}.scalar') for module in modules),
        *((_getattr, f'{module}.getattr') for module in ('builtins', '__builtin__')),
    ]


def _getattr(owner: type, name: str) -> Callable:
    """Replace ``getattr`` in a checkpoint, by which two classes pickle their functions; the real one could run code."""
    from mmengine.logging import HistoryBuffer
    from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

    own = {
        HistoryBuffer: ('min', 'max', 'current', 'mean'),
        OneCycleParamScheduler: ('_annealing_cos', '_annealing_linear'),
    }
    if not isinstance(owner, type) or name not in own.get(owner, ()):
        raise pickle.UnpicklingError(f'GLOBAL getattr({name!r})')
    return getattr(owner, name)


@fix(
    'inference-weights',
    broken='init_model and MMSegInferencer keep random weights if a checkpoint does not fit the config',
    versions='mmsegmentation 1.2.2; onedl-mmsegmentation 1.4.2',
    delete_when='mmseg loads strictly for inference',
)
def _check_inference_weights() -> bool:
    from mmengine.runner.checkpoint import _load_checkpoint, _load_checkpoint_to_model
    from mmseg.apis import inference, mmseg_inferencer

    def load_to_model(model: Any, checkpoint: dict, name: str = 'the checkpoint') -> dict:
        if any(type(module).__module__.startswith('mmseg_bisenet_lite.') for module in model.modules()):
            check_weights(model, checkpoint, name, allow=('auxiliary_head',))  # inference does not use it
        return _load_checkpoint_to_model(model, checkpoint)

    def load_checkpoint(model: Any, filename: str, map_location: Any = None) -> dict:
        checkpoint = _load_checkpoint(filename, map_location)
        if 'state_dict' not in checkpoint:
            checkpoint = {'state_dict': checkpoint}
        return load_to_model(model, {'meta': {}, **checkpoint}, filename)

    inference.load_checkpoint = load_checkpoint  # used by init_model
    mmseg_inferencer._load_checkpoint_to_model = load_to_model  # used by MMSegInferencer
    return True


def check_weights(model: Any, checkpoint: dict, name: str, allow: Sequence[str] = ()) -> None:
    """Raise an :class:`InputError` if a checkpoint's weights do not match the model's, except for the parts in ``allow``."""
    from mmengine.model import BaseTTAModel, is_model_wrapper

    inner: Any = model
    while is_model_wrapper(inner) or isinstance(inner, BaseTTAModel):
        inner = inner.module
    expected = {key: tuple(value.shape) for key, value in inner.state_dict().items()}
    weights = checkpoint.get('state_dict', checkpoint)
    found = {re.sub(r'^module\.', '', key): tuple(getattr(value, 'shape', ())) for key, value in weights.items()}

    differing = {
        'missing': expected.keys() - found.keys(),
        'unexpected': found.keys() - expected.keys(),
        'of another shape': {key for key in expected.keys() & found.keys() if expected[key] != found[key]},
    }
    parts = tuple(f'{part}.' for part in allow)
    differences = {kind: sorted(k for k in keys if not f'{k}.'.startswith(parts)) for kind, keys in differing.items()}
    if any(chain(*differences.values())):
        summary = ', '.join(f'{len(keys)} {kind} (first: {keys[0]})' for kind, keys in differences.items() if keys)
        raise InputError(
            f'{name}: its weights are not those of the config: {summary}; give the config that it was trained with '
            '(to fine-tune, name the parts that may differ in StrictCheckpointHook(allow=...))'
        )

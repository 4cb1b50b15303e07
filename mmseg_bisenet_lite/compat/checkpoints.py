"""Checkpoints: load without running code from them, and refuse those that do not fit."""

import functools
import os
import pickle
import re
import struct
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, cast

from mmseg_bisenet_lite.compat.checkpoint_types import RECORDS, RefusedError, rebuilt
from mmseg_bisenet_lite.compat.fixes import fix
from mmseg_bisenet_lite.utils import schema
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error, first_line
from mmseg_bisenet_lite.utils.heads import AUXILIARY, has_auxiliary_heads, unwrapped, without_auxiliary_heads


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
    from mmengine.runner import Runner
    from mmengine.runner import checkpoint as host

    _restrict_torch_load(torch)
    original = host.CheckpointLoader.load_checkpoint.__func__

    def load_checkpoint(cls: type, filename: str, map_location: Any = None, logger: Any = 'current') -> Any:
        try:
            with _loading():
                checkpoint = rebuilt(original(cls, filename, map_location, logger))
        except (FileNotFoundError, InputError):
            raise
        except (pickle.UnpicklingError, RefusedError) as error:
            code = re.search(r'GLOBAL (\S+)', str(error))
            what = f'it would run {code[1]}' if code else _OTHER_FORMAT
            what = str(error) if isinstance(error, RefusedError) else what
            raise InputError(f'{filename}: refused: {what}; only weights and plain data are loaded') from error
        except _OF_DAMAGED_FILES as error:
            # PyTorch advises to run the code in archives of TorchScript and in the tar files of its first versions.
            why = _OTHER_FORMAT if 'weights_only' in str(error) else first_line(error)
            raise InputError(f'{filename}: cannot be read; the file may be damaged ({why})') from error
        return _checked(checkpoint, filename)

    resume = Runner.resume

    def resume_whole(self: Any, filename: str, *args: Any, **kwargs: Any) -> None:
        try:
            resume(self, filename, *args, **kwargs)
        except InputError:
            raise
        except (AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise InputError(
                f'{filename}: cannot be resumed: its training state is missing, damaged or of another config '
                f'({first_line(error)}); start from its weights with load_from'
            ) from error

    init_model = BaseInferencer._init_model

    def _init_model(self: Any, cfg: Any, weights: str | None, device: str = 'cpu') -> Any:
        if not cfg:
            raise InputError(f'{weights}: give the config too; the one stored in a checkpoint is code and is not run')
        return init_model(self, cfg, weights, device)

    if hasattr(host, '_safe_torch_load'):  # onedl's version allows any getattr, and falls back to running code
        host._safe_torch_load = torch.load
    host.CheckpointLoader.load_checkpoint = classmethod(load_checkpoint)
    BaseInferencer._init_model = _init_model
    Runner.resume = resume_whole
    return True


_thread = threading.local()

_OTHER_FORMAT = 'it is not as torch.save writes by default, with pickle protocol 2, or it is damaged'

# What unpickling and building tensors raise for bytes that are no checkpoint.
_OF_DAMAGED_FILES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
)


def _is_loading() -> bool:
    """Whether this thread is in MMEngine's ``load_checkpoint``."""
    return getattr(_thread, 'loading', False)


@contextmanager
def _loading() -> Iterator[None]:
    outer = _is_loading()
    _thread.loading = True
    try:
        yield
    finally:
        _thread.loading = outer


def _restrict_torch_load(torch: Any) -> None:
    """Make ``torch.load`` load weights and plain data only where ``load_checkpoint`` has called it, and leave all other calls.

    The loaders of the various schemes call it in their own ways, some by way of ``torch.hub``, which asks for code to be run.
    Both functions are replaced once and ask for their thread, since a setting that is changed for the time of a load, such as
    ``torch.serialization.safe_globals``, is the whole process's: other threads that load would lose it.
    """
    from torch import _weights_only_unpickler as unpickler

    load_any, allowed_by_user = torch.load, cast('Callable[[], dict[str, Any]]', unpickler._get_user_allowed_globals)

    @functools.wraps(load_any)
    def load(*args: Any, **kwargs: Any) -> Any:
        if _is_loading():
            kwargs['weights_only'] = True
            _refuse_compressed(args[0] if args else kwargs['f'])
        return load_any(*args, **kwargs)

    def allowed() -> dict[str, Any]:
        return dict(RECORDS) if _is_loading() else allowed_by_user()

    torch.load, unpickler._get_user_allowed_globals = load, allowed


def _refuse_compressed(file: Any) -> None:
    """Raise a :class:`RefusedError` for a zip file that grows on reading: PyTorch compresses nothing, but would read it."""
    if not zipfile.is_zipfile(file):
        return
    with zipfile.ZipFile(file) as archive:
        length = archive.fp.seek(0, os.SEEK_END) if archive.fp else 0
        grown = sum(each.file_size for each in archive.infolist()) > length
    if hasattr(file, 'seek'):
        file.seek(0)
    if grown:
        raise RefusedError('its content is compressed, which torch.save never does')


def _checked(checkpoint: Any, filename: str) -> dict:
    """Return a checkpoint whose parts have the types that its readers rely on.

    Raises:
        InputError: A part has another type, or says what cannot be true.
    """
    if not isinstance(checkpoint, dict):
        raise InputError(f'{filename}: holds a {type(checkpoint).__name__}, but a checkpoint is a dict')
    weights = checkpoint.get('state_dict', checkpoint)
    if not isinstance(weights, dict) or not all(isinstance(key, str) for key in weights):
        raise InputError(f'{filename}: its state_dict is no dict from names to weights; the file may be damaged')
    if checkpoint.get('meta') is None:
        checkpoint.pop('meta', None)
    elif 'state_dict' in checkpoint:
        schema.check_checkpoint_meta(checkpoint['meta'], filename)
        checkpoint['meta'].pop('config', None)  # Runner.resume would run it as Python code, to look for "gpu_ids"
    return checkpoint


@fix(
    'inference-weights',
    broken=(
        'init_model and MMSegInferencer keep random weights if a checkpoint does not fit the config; they and the runner take '
        'weights that are NaN or infinite'
    ),
    versions='mmsegmentation 1.2.2; onedl-mmsegmentation 1.4.2',
    delete_when='mmseg loads strictly for inference, and no NaN',
)
def _check_inference_weights() -> bool:
    from mmengine.runner import runner
    from mmengine.runner.checkpoint import _load_checkpoint, _load_checkpoint_to_model
    from mmseg.apis import inference, mmseg_inferencer

    def load_to_model(model: Any, checkpoint: dict, name: str = 'the checkpoint') -> dict:
        if is_ours(model):
            check_weights(model, checkpoint, name, allow=(AUXILIARY,))  # inference does not use it
            _check_classes(model, checkpoint, name)
            keep_auxiliary_heads(model, checkpoint)
        return _load_checkpoint_to_model(model, checkpoint)

    def load_checkpoint(model: Any, filename: str, map_location: Any = None) -> dict:
        checkpoint = _load_checkpoint(filename, map_location)
        if 'state_dict' not in checkpoint:
            checkpoint = {'state_dict': checkpoint}
        return load_to_model(model, {'meta': {}, **checkpoint}, filename)

    def load_to_train(model: Any, checkpoint: dict, *args: Any, **kwargs: Any) -> dict:
        if is_ours(model):
            weights, own = checkpoint.get('state_dict', checkpoint), model.state_dict()
            loaded = {key for key in weights.keys() & own.keys() if _shape(weights[key]) == _shape(own[key])}
            check_finite({key: weights[key] for key in own if key in loaded}, 'the checkpoint')
        return _load_checkpoint_to_model(model, checkpoint, *args, **kwargs)

    inference.load_checkpoint = load_checkpoint  # used by init_model
    runner._load_checkpoint_to_model = load_to_train  # used by Runner for load_from and resume
    mmseg_inferencer._load_checkpoint_to_model = load_to_model  # used by MMSegInferencer
    return True


def _check_classes(model: Any, checkpoint: dict, name: str) -> None:
    """Raise an :class:`InputError` if a checkpoint of a two-class network does not name two classes, or not two colours."""
    dataset_meta = (checkpoint.get('meta') or {}).get('dataset_meta')
    if dataset_meta is not None and getattr(getattr(model, 'decode_head', None), 'num_classes', None) == 2:
        checks = {'classes': schema.two_classes, 'palette': schema.two_colours}
        schema.read(dataset_meta, {key: check for key, check in checks.items() if dataset_meta.get(key) is not None}, name)


def keep_auxiliary_heads(model: Any, checkpoint: dict) -> None:
    """Let a model keep its own auxiliary heads when a checkpoint is loaded, unless the checkpoint's fit."""
    own = {key: value for key, value in unwrapped(model).state_dict().items() if key.startswith(AUXILIARY)}
    weights = checkpoint.get('state_dict', checkpoint)
    found = {re.sub(r'^module\.', '', key): value for key, value in weights.items()}
    if all(key in found and _shape(found[key]) == _shape(value) for key, value in own.items()):
        own = {}
    kept = without_auxiliary_heads(weights) if own else dict(weights)
    weights.clear()
    weights.update(kept | own)


def check_weights(model: Any, checkpoint: dict, name: str, allow: Sequence[str] = ()) -> None:
    """Raise an :class:`InputError` if a checkpoint's weights do not match the model's, except for the parts in ``allow``.

    A checkpoint without any auxiliary head, such as weights of the package, may lack the model's.
    """
    expected = {key: _shape(value) for key, value in unwrapped(model).state_dict().items()}
    weights = {re.sub(r'^module\.', '', key): value for key, value in checkpoint.get('state_dict', checkpoint).items()}
    found = {key: _shape(value) for key, value in weights.items()}

    differing = {
        'missing': expected.keys() - found.keys(),
        'unexpected': found.keys() - expected.keys(),
        'of another shape': {key for key in expected.keys() & found.keys() if expected[key] != found[key]},
    }
    lacking = () if has_auxiliary_heads(weights) else (AUXILIARY,)
    parts = tuple(f'{part}.' for part in (*allow, *lacking))
    differences = {kind: sorted(k for k in keys if not f'{k}.'.startswith(parts)) for kind, keys in differing.items()}
    if any(chain(*differences.values())):
        summary = ', '.join(f'{len(keys)} {kind} (first: {keys[0]})' for kind, keys in differences.items() if keys)
        raise InputError(
            f'{name}: its weights are not those of the config: {summary}; give the config that it was trained with '
            '(to fine-tune, name the parts that may differ: --cfg-options default_hooks.strict_checkpoint.allow=[decode_head])'
        )
    check_finite({key: weights[key] for key in expected if key in found and expected[key] == found[key]}, name)


def _shape(value: Any) -> tuple[int, ...] | None:
    try:
        return tuple(value.shape)
    except (AttributeError, RuntimeError):  # a nested tensor has none
        return None


def check_finite(weights: Mapping[str, Any], name: str) -> None:
    """Raise an :class:`InputError` if a weight is NaN or infinite: such a network gives empty masks, or any."""
    import torch

    for key, value in weights.items():
        if not isinstance(value, torch.Tensor):  # what a module keeps as its extra state
            continue
        plain = value.layout is torch.strided and not value.is_quantized
        if not plain or value.is_nested or value.is_meta or value.is_complex():
            raise InputError(f'{name}: the weight {key} is no plain tensor; the file may be damaged')
        # Some types have no arithmetic.
        with as_input_error(f'{name}: the weight {key} cannot be read as numbers', RuntimeError):
            finite = bool((value.float() if value.is_floating_point() else value).isfinite().all())
            imaginary = key.endswith('running_var') and bool((value < 0).any())
        if not finite:
            raise InputError(
                f'{name}: the weight {key} is NaN or infinite, so its training has diverged; take an earlier checkpoint, and '
                'train with a lower learning rate'
            )
        if imaginary:
            raise InputError(f'{name}: {key} holds a variance below 0; the file may be damaged')


def is_ours(model: Any) -> bool:
    """Whether a part of the model is one of this package's modules."""
    return any(type(module).__module__.startswith('mmseg_bisenet_lite.') for module in model.modules())

"""Everything that works around the host toolboxes, and nothing else.

Two hosts provide ``mmseg``, ``mmengine`` and ``mmcv``: OpenMMLab's distributions, and onedl's maintained forks of them. Each
fix below says what is broken where, and when it can be deleted. ``python -m mmseg_bisenet_lite.doctor`` shows which of them
act. This module imports no host at its top, so that the doctor also runs where the host is missing or broken.
"""

import functools
import importlib.machinery
import importlib.metadata
import importlib.util
import itertools
import os
import pickle
import re
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmseg_bisenet_lite.errors import InputError, first_line
from mmseg_bisenet_lite.files import replacing

INSTALL = "run pip install -c .ci/constraints.txt -e '.[openmmlab]' in a checkout of mmseg-bisenet-lite"

HEADLESS = 'run pip install -c .ci/constraints.txt --force-reinstall --no-deps opencv-python-headless'

# What each host is called on the package index.
HOSTS = {
    'OpenMMLab': ('mmsegmentation', 'mmengine', ('mmcv', 'mmcv-lite')),
    'onedl': ('onedl-mmsegmentation', 'onedl-mmengine', ('onedl-mmcv',)),
}


def version(distribution: str) -> str | None:
    """The installed version of a distribution, or ``None``."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def host_name() -> str | None:
    """The key of ``HOSTS`` whose mmsegmentation is installed, or ``None``."""
    return next((name for name, (mmseg, *_) in HOSTS.items() if version(mmseg)), None)


def host_problem() -> str | None:
    """Why the host cannot be imported and what to do about it, one line, or ``None`` if it can."""
    for module in ('torch', 'mmengine', 'mmcv', 'mmseg', 'ftfy', 'regex'):
        if importlib.util.find_spec(module) is None:
            return f'the module {module} is missing: {INSTALL}'
    for module in ('torch', 'cv2', 'mmengine', 'mmcv'):  # each needs the one before
        try:
            importlib.import_module(module)
        except ImportError as error:
            libraries = f'; {HEADLESS}' if module == 'cv2' else ''
            return f'the module {module} cannot be imported: {first_line(error)}{libraries}'
    mmcv = version('mmcv') or version('mmcv-lite')
    if host_name() == 'OpenMMLab' and mmcv and tuple(map(int, mmcv.split('.')[:2])) >= (2, 2):
        return f'mmsegmentation refuses mmcv {mmcv}: install mmcv 2.1.0 or mmcv-lite 2.1.0'
    return None


def mim_folder(module: str) -> Path:
    """The ``.mim`` folder of an importable package: its configs and tools."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise InputError(f'the module {module} is missing: {INSTALL}')
    return Path(spec.origin).parent / '.mim'


@dataclass(frozen=True)
class Fix:
    """One workaround: its name, what it mends, when it can go, and the function that applies it where it is needed.

    ``apply`` returns whether the host needed it.
    """

    name: str
    broken: str
    delete_when: str
    apply: Callable[[], bool]


@functools.cache
def apply_fixes() -> dict[str, bool]:
    """Apply each fix, once; returns which of them this host needed."""
    return {fix.name: fix.apply() for fix in FIXES}


# --- mmcv without compiled operators ---------------------------------------------------------------------------------


def _stub_compiled_ops() -> bool:
    if host_name() == 'onedl' or importlib.util.find_spec('mmcv._ext') is not None:
        return False

    class Missing(types.ModuleType):
        def __getattr__(self, name: str) -> Callable:
            if name.startswith('__'):
                raise AttributeError(name)

            def missing_op(*args: object, **kwargs: object) -> None:
                raise RuntimeError(f"mmcv's compiled operator {name} is missing: install the full mmcv instead of mmcv-lite")

            return missing_op

    stub = Missing('mmcv._ext')
    stub.__spec__ = importlib.machinery.ModuleSpec('mmcv._ext', loader=None)
    sys.modules['mmcv._ext'] = stub
    return True


# --- configs of installed packages -----------------------------------------------------------------------------------


def _resolve_package_configs() -> bool:
    from mmengine.config import Config
    from mmengine.config.utils import MODULE2PACKAGE

    original = Config._get_cfg_path

    def _get_cfg_path(cfg_path: str, filename: str) -> tuple[str, str | None]:
        module, separator, path = cfg_path.partition('::')
        if not separator or module not in ('mmseg', __package__):
            return original(cfg_path, filename)
        # Our modules are registered in MMSegmentation's scope, so that is the scope of our configs too.
        return str(mim_folder(module) / 'configs' / path), 'mmseg'

    Config._get_cfg_path = staticmethod(_get_cfg_path)
    MODULE2PACKAGE[__package__] = __package__
    return True


# --- checkpoints -----------------------------------------------------------------------------------------------------


def _load_checkpoints_safely() -> bool:
    import torch
    from mmengine.infer import BaseInferencer
    from mmengine.runner import checkpoint as host

    def torch_load(file: Any, map_location: Any = None, weights_only: bool | None = None) -> Any:
        return torch.load(file, map_location=map_location, weights_only=True)

    original = host.CheckpointLoader.load_checkpoint.__func__

    def load_checkpoint(cls: type, filename: str, map_location: Any = None, logger: Any = 'current') -> Any:
        try:
            # The loaders of the various schemes call torch.load in their own ways: what holds for all is set around them.
            with _forced_weights_only(), torch.serialization.safe_globals(_checkpoint_types()):
                checkpoint = original(cls, filename, map_location, logger)
        except (FileNotFoundError, InputError):
            raise
        except pickle.UnpicklingError as error:
            code = re.search(r'GLOBAL (\S+)', str(error))
            what = f'it would run {code[1]}' if code else 'it holds something else or is damaged'
            raise InputError(f'{filename}: refused: {what}, and only weights and plain data are loaded') from error
        except (EOFError, OSError, RuntimeError, ValueError, LookupError) as error:  # torch.load's, for damaged files
            raise InputError(f'{filename}: cannot be read, is it damaged? ({first_line(error)})') from error
        if not isinstance(checkpoint, dict):
            raise InputError(f'{filename}: not a checkpoint, which is a dict, but a {type(checkpoint).__name__}')
        if isinstance(checkpoint.get('meta'), dict):
            checkpoint['meta'].pop('config', None)  # Runner.resume would run it as Python, to look for "gpu_ids"
        return checkpoint

    init_model = BaseInferencer._init_model

    def _init_model(self: Any, cfg: Any, weights: str | None, device: str = 'cpu') -> Any:
        if not cfg:
            raise InputError(f'{weights}: give the config too; the one inside a checkpoint is code, which is not run')
        return init_model(self, cfg, weights, device)

    if hasattr(host, '_safe_torch_load'):  # onedl's, which allows the free getattr, and falls back to running code
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
    """The few types beyond tensors and plain containers that MMEngine writes into a checkpoint, with their pickled names."""
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
    """Stands for ``getattr`` in a checkpoint, where two classes pickle their own functions so; a free one could run code."""
    from mmengine.logging import HistoryBuffer
    from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

    own = {
        HistoryBuffer: ('min', 'max', 'current', 'mean'),
        OneCycleParamScheduler: ('_annealing_cos', '_annealing_linear'),
    }
    if not isinstance(owner, type) or name not in own.get(owner, ()):
        raise pickle.UnpicklingError(f'GLOBAL getattr({name!r})')
    return getattr(owner, name)


def _check_inference_weights() -> bool:
    from mmengine.runner.checkpoint import _load_checkpoint, _load_checkpoint_to_model
    from mmseg.apis import inference, mmseg_inferencer

    def load_to_model(model: Any, checkpoint: dict, name: str = 'the checkpoint') -> dict:
        from mmseg_bisenet_lite.hooks import check_weights

        if any(type(module).__module__.startswith(f'{__package__}.') for module in model.modules()):
            check_weights(model, checkpoint, name, allow=('auxiliary_head',))  # inference does without them
        return _load_checkpoint_to_model(model, checkpoint)

    def load_checkpoint(model: Any, filename: str, map_location: Any = None) -> dict:
        checkpoint = _load_checkpoint(filename, map_location)
        if 'state_dict' not in checkpoint:
            checkpoint = {'state_dict': checkpoint}
        return load_to_model(model, {'meta': {}, **checkpoint}, filename)

    inference.load_checkpoint = load_checkpoint  # init_model's
    mmseg_inferencer._load_checkpoint_to_model = load_to_model  # MMSegInferencer's
    return True


# --- files that a killed run leaves -----------------------------------------------------------------------------------


def _write_atomically() -> bool:
    import mmengine.runner
    from mmengine.fileio import LocalBackend
    from mmengine.runner import runner as host

    def through_temporary_file(write: Callable) -> Callable:
        @functools.wraps(write)
        def put(self: Any, obj: Any, filepath: str | Path, *args: Any, **kwargs: Any) -> None:
            with replacing(filepath) as temporary:
                write(self, obj, str(temporary), *args, **kwargs)

        return put

    find_latest = host.find_latest_checkpoint

    def find_latest_checkpoint(path: str) -> str | None:
        latest = find_latest(path)
        if latest is None or Path(latest).is_file():
            return latest
        # The run was killed in the moment in which CheckpointHook wrote last_checkpoint, without a temporary file.
        saved = [
            (int(match[1]), file)
            for file in Path(path).iterdir()
            if (match := re.fullmatch(r'(?:iter|epoch)_(\d+)\.pth', file.name))
        ]
        return str(max(saved)[1]) if saved else None

    LocalBackend.put = through_temporary_file(LocalBackend.put)
    LocalBackend.put_text = through_temporary_file(LocalBackend.put_text)
    mmengine.runner.find_latest_checkpoint = host.find_latest_checkpoint = find_latest_checkpoint
    return True


# --- training and testing without a GPU, or with one score map --------------------------------------------------------


def _allow_amp_on_cpu() -> bool:
    import torch
    from mmengine.device import get_device

    if get_device() != 'cpu':
        return False
    from mmengine.optim.optimizer import amp_optimizer_wrapper as host

    host.is_cuda_available = lambda: True  # read by one assertion, in AmpOptimWrapper.__init__
    # bfloat16, the CPU's autocast type, has float32's range and needs no loss scaling.
    host.GradScaler = lambda *args, **kwargs: torch.amp.GradScaler('cpu', enabled=False)
    original = host.AmpOptimWrapper.state_dict

    def state_dict(self: Any) -> dict:
        return {key: value for key, value in original(self).items() if key != 'loss_scaler'}  # a GPU could not load this one

    host.AmpOptimWrapper.state_dict = state_dict
    return True


def _allow_launcher_on_cpu() -> bool:
    import torch.distributed
    from mmengine.device import get_device

    if get_device() != 'cpu':
        return False
    from mmengine.dist import utils
    from mmengine.runner import runner

    def _init_dist_pytorch(backend: str, init_backend: str = 'torch', **kwargs: Any) -> None:
        torch.distributed.init_process_group(backend='gloo', **kwargs)

    wrapper = runner.MMDistributedDataParallel

    def without_devices(*args: Any, device_ids: Any = None, **kwargs: Any) -> Any:
        return wrapper(*args, **kwargs)

    utils._init_dist_pytorch = _init_dist_pytorch
    runner.MMDistributedDataParallel = without_devices
    return True


def _average_probabilities_once() -> bool:
    from mmengine.structures import PixelData
    from mmseg.models.segmentors import SegTTAModel

    def merge_preds(self: Any, data_samples_list: list) -> list:
        merged = []
        for samples in data_samples_list:
            one_map = self.module.out_channels == 1  # postprocess_result has put it through the sigmoid already
            mean: Any = 0
            for sample in samples:
                scores = sample.seg_logits.data
                mean = mean + (scores if one_map else scores.softmax(dim=0)) / len(samples)
            threshold = self.module.decode_head.threshold if one_map else None
            decided = (mean > threshold).to(mean).squeeze(1) if one_map else mean.argmax(dim=0)
            sample = samples[-1]
            scores = mean if one_map else mean.log()
            sample.set_data({'pred_sem_seg': PixelData(data=decided), 'seg_logits': PixelData(data=scores)})
            if hasattr(samples[0], 'gt_sem_seg'):
                sample.set_data({'gt_sem_seg': samples[0].gt_sem_seg})
            sample.set_metainfo({'img_path': samples[0].img_path})
            merged.append(sample)
        return merged

    SegTTAModel.merge_preds = merge_preds
    return True


def _weigh_without_ignored_pixels() -> bool:
    from mmseg.models.losses import cross_entropy_loss as host

    original = host.cross_entropy

    @functools.wraps(original)
    def cross_entropy(
        pred: Any,
        label: Any,
        weight: Any = None,
        class_weight: Any = None,
        reduction: str = 'mean',
        avg_factor: Any = None,
        ignore_index: int = -100,
        **kwargs: Any,
    ) -> Any:
        if class_weight is not None and reduction == 'mean' and avg_factor is None:
            # Counted, since picking pixels out would have a GPU waited for.
            avg_factor = sum(weight * (label == kind).sum() for kind, weight in enumerate(class_weight))
        return original(pred, label, weight, class_weight, reduction, avg_factor, ignore_index, **kwargs)

    host.cross_entropy = cross_entropy
    return True


# --- resumed runs ----------------------------------------------------------------------------------------------------


def _resume_without_replay() -> bool:
    from mmengine.runner import Runner, loops

    resume = Runner.resume

    def resume_with_seed(self: Any, *args: Any, **kwargs: Any) -> None:
        begun_with = self.seed
        resume(self, *args, **kwargs)
        sampler = self.train_loop.dataloader.sampler
        # The run's seed is not the sampler's with diff_rank_seed, or where the config gives the sampler one of its own.
        seed = self.message_hub.get_info('sampler_seed', self.seed if getattr(sampler, 'seed', None) == begun_with else None)
        if seed is not None and hasattr(sampler, 'seed'):
            sampler.seed = seed
            if hasattr(sampler, '_indices_of_rank'):
                sampler.indices = sampler._indices_of_rank()

    run = loops.IterBasedTrainLoop.run

    def run_with_seed(self: Any) -> Any:
        seed = getattr(self.dataloader.sampler, 'seed', None)
        if isinstance(seed, int):
            self.runner.message_hub.update_info('sampler_seed', seed)  # which checkpoints hold
        return run(self)

    Runner.resume, loops.IterBasedTrainLoop.run = resume_with_seed, run_with_seed
    if not hasattr(loops._InfiniteDataloaderIterator, 'skip_iter'):  # onedl's goes on where the run ended
        _skip_seen_batches(loops)
    return True


def _skip_seen_batches(loops: Any) -> None:
    from mmengine.dataset import InfiniteSampler

    class LateIterator(loops._InfiniteDataloaderIterator):
        """Starts no worker before the first batch is asked for, and counts off batches that were seen without loading them."""

        def __init__(self, dataloader: Any) -> None:
            self._dataloader, self._iterator, self._epoch, self.seen = dataloader, None, 0, 0

        def __next__(self) -> Any:
            if self.seen:
                self.seen -= 1
                return None
            if self._iterator is None:
                self._iterator = iter(self._dataloader)
            return super().__next__()

    run = loops.IterBasedTrainLoop.run

    def run_from_there(self: Any) -> Any:
        sampler, batch_size = self.dataloader.sampler, self.dataloader.batch_size
        if self._iter and batch_size and (hasattr(sampler, 'skip') or isinstance(sampler, InfiniteSampler)):
            seen = self._iter * batch_size
            if hasattr(sampler, 'skip'):
                sampler.skip(seen)
            else:
                next(itertools.islice(sampler.indices, seen, seen), None)
            self.dataloader_iterator.seen = self._iter
        return run(self)

    loops._InfiniteDataloaderIterator = LateIterator
    loops.IterBasedTrainLoop.run = run_from_there


# --- speed of a training step ------------------------------------------------------------------------------------------


def _count_two_classes_quickly() -> bool:
    import torch
    from mmseg.models.decode_heads import decode_head

    original = decode_head.accuracy

    def accuracy(pred: Any, target: Any, topk: Any = 1, thresh: Any = None, ignore_index: int | None = None) -> Any:
        if topk != 1 or thresh is not None or ignore_index is None or pred.size(1) != 2 or not target.numel():
            return original(pred, target, topk, thresh, ignore_index)
        right = (pred[:, 1] > pred[:, 0]) == target  # never so where the target is neither 0 nor 1
        eps = torch.finfo(torch.float32).eps  # as the host has it, which calls nothing right of nothing 100 %
        return 100.0 * (right.sum().float().reshape(1) + eps) / ((target != ignore_index).sum() + eps)

    decode_head.accuracy = accuracy
    return True


FIXES = (
    Fix(
        'compiled-ops',
        'mmsegmentation 1.2.2 imports mmcv.ops, which mmcv-lite has no compiled code for; BiSeNet needs none of it',
        'mmsegmentation guards those imports, as onedl-mmsegmentation does',
        _stub_compiled_ops,
    ),
    Fix(
        'package-configs',
        "_base_ = 'mmseg::...' needs pkg_resources (mmengine 0.10.7), fails under onedl and for editable installs, and knows "
        'no other packages',
        'mmengine finds the configs of a package by importing it',
        _resolve_package_configs,
    ),
    Fix(
        'safe-checkpoints',
        'with torch >= 2.6 mmengine 0.10.7 cannot read its own checkpoints; onedl-mmengine reads any and runs the code in '
        'them; both run configs that a checkpoint carries',
        'mmengine loads its checkpoints with weights_only=True and never without, and runs nothing in them',
        _load_checkpoints_safely,
    ),
    Fix(
        'inference-weights',
        'init_model and MMSegInferencer keep random weights where a checkpoint does not fit the config',
        'mmseg loads strictly for inference',
        _check_inference_weights,
    ),
    Fix(
        'atomic-writes',
        'mmengine writes checkpoints under their final names, so a killed run leaves half a file there',
        'mmengine writes to a temporary name and renames',
        _write_atomically,
    ),
    Fix(
        'resume-data',
        'a resumed run of mmengine 0.10.7 loads every batch that it has seen, to throw it away; on both hosts the order of the '
        'data may be that of a new seed. Mended for endless samplers',
        'mmengine advances the sampler, with the seed of the checkpoint',
        _resume_without_replay,
    ),
    Fix(
        'amp-on-cpu',
        'AmpOptimWrapper refuses to start without an accelerator, though autocast has bfloat16 on CPUs',
        'mmengine allows AmpOptimWrapper on CPUs',
        _allow_amp_on_cpu,
    ),
    Fix(
        'launcher-on-cpu',
        '--launcher pytorch sets a CUDA device even where there is none',
        'mmengine starts the gloo backend on CPUs',
        _allow_launcher_on_cpu,
    ),
    Fix(
        'accuracy',
        'mmseg sorts the scores and copies the labels to count right pixels for the log, which is a tenth of a training step '
        'with two classes, and has a GPU waited for',
        'mmseg compares and counts',
        _count_two_classes_quickly,
    ),
    Fix(
        'tta-scores',
        "SegTTAModel applies the sigmoid a second time to a one-channel head's probabilities, so all becomes foreground; and "
        'its seg_logits are those of one augmentation',
        'mmseg averages the probabilities as they are, and hands them on',
        _average_probabilities_once,
    ),
    Fix(
        'class-weight',
        "mmseg's CrossEntropyLoss with class_weight looks up the weight of ignored labels; onedl's does not, but then, with "
        'avg_non_ignore, sets it: both are an IndexError',
        'mmseg looks up the weights of the other pixels and divides by their sum',
        _weigh_without_ignored_pixels,
    ),
)

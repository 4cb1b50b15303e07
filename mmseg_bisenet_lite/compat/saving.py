"""Fixes for saving checkpoints: whatever ends a run, it leaves a checkpoint that loads, and removes only its own."""

import functools
import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Real
from pathlib import Path
from typing import IO, Any

from mmseg_bisenet_lite.compat.fixes import fix
from mmseg_bisenet_lite.utils.files import atomic_write


@fix(
    'atomic-writes',
    broken='mmengine writes checkpoints under their final names, so a killed run leaves half a file',
    versions='mmengine 0.10.7; onedl-mmengine 0.10.12',
    delete_when='mmengine writes to a temporary name and renames',
)
def _write_atomically() -> bool:
    from mmengine.fileio import LocalBackend
    from mmengine.hooks import checkpoint_hook

    def through_temporary_file(write: Callable) -> Callable:
        @functools.wraps(write)
        def put(self: Any, obj: Any, filepath: str | Path, *args: Any, **kwargs: Any) -> None:
            with atomic_write(filepath) as temporary:
                write(self, obj, str(temporary), *args, **kwargs)

        return put

    @contextmanager
    def open_atomically(path: str, mode: str) -> Iterator[IO]:
        with atomic_write(path) as temporary, temporary.open(mode) as file:
            yield file

    LocalBackend.put = through_temporary_file(LocalBackend.put)
    LocalBackend.put_text = through_temporary_file(LocalBackend.put_text)
    checkpoint_hook.open = open_atomically  # writes last_checkpoint
    return True


@fix(
    'kept-checkpoints',
    broken=(
        'CheckpointHook removes the older checkpoint before the newer one is saved, so a run killed in between has none; '
        'and it removes the file or folder that a resumed checkpoint calls its best, wherever that is'
    ),
    versions='mmengine 0.10.7; onedl-mmengine 0.10.12',
    delete_when='CheckpointHook saves first, and removes only files of its own folder',
)
def _save_then_remove() -> bool:
    from mmengine.hooks import CheckpointHook

    before_train, save, save_best = (
        getattr(CheckpointHook, name) for name in ('before_train', '_save_checkpoint_with_step', '_save_best_checkpoint')
    )

    @functools.wraps(before_train)
    def before_train_of_own_files(self: Any, runner: Any) -> None:
        _drop_foreign_entries(runner.message_hub.runtime_info)
        before_train(self, runner)
        if getattr(self, 'best_ckpt_path', None) is not None and not _is_best_of(self, self.best_ckpt_path):
            self.best_ckpt_path = None
        for key, path in getattr(self, 'best_ckpt_path_dict', {}).items():
            if path is not None and not _is_best_of(self, path):
                self.best_ckpt_path_dict[key] = None

    @functools.wraps(save)
    def save_with_step(self: Any, runner: Any, step: int, meta: dict) -> None:
        save(self, runner, step, meta)
        _remove_outdated(self)

    @functools.wraps(save_best)
    def save_best_checkpoint(self: Any, runner: Any, metrics: dict) -> None:
        save_best(self, runner, metrics)
        if self.save_best:
            _remove_outdated(self)

    def set_backend(self: Any, backend: Any) -> None:
        self.__dict__['file_backend'] = _Later(backend)

    CheckpointHook.before_train = before_train_of_own_files
    CheckpointHook._save_checkpoint_with_step = save_with_step
    CheckpointHook._save_best_checkpoint = save_best_checkpoint
    CheckpointHook.file_backend = property(lambda self: self.__dict__['file_backend'], set_backend)
    return True


class _Later:
    """A file backend of MMEngine that only notes what is to be removed."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.outdated: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def remove(self, path: str) -> None:
        self.outdated.append(path)

    rmtree = remove


def _remove_outdated(hook: Any) -> None:
    """Remove what the hook wanted to remove before it saved, except what it has saved under the same name."""
    backend, kept = hook.file_backend, {hook.last_ckpt, getattr(hook, 'best_ckpt_path', None)}
    kept.update(getattr(hook, 'best_ckpt_path_dict', {}).values())
    while backend.outdated:
        path = backend.outdated.pop()
        if path not in kept and backend.isfile(path):
            backend.backend.remove(path)
        elif path not in kept and backend.isdir(path):
            backend.backend.rmtree(path)


def _drop_foreign_entries(info: dict[str, Any]) -> None:
    """Drop entries of a resumed checkpoint that CheckpointHook cannot have written; it makes file names from them."""
    steps = info.get('keep_ckpt_ids', [])
    if not (isinstance(steps, list) and all(type(step) is int for step in steps)):
        del info['keep_ckpt_ids']
    for key in [key for key in info if key.startswith('best_score')]:
        if not (isinstance(info[key], Real) and math.isfinite(info[key])):
            del info[key]


def _is_best_of(hook: Any, path: Any) -> bool:
    """Whether a path that a checkpoint names is a file of this hook's folder, named as the hook names its best checkpoints."""
    if not isinstance(path, str):
        return False
    stem, suffix = hook.filename_tmpl.split('{', 1)[0], Path(hook.filename_tmpl).suffix
    named_so = re.fullmatch(rf'best_.+_{re.escape(stem)}\d+.*{re.escape(suffix)}', Path(path).name)
    inside = Path(path).parent.resolve() == Path(hook.out_dir).resolve()
    return named_so is not None and inside and not Path(path).is_symlink()

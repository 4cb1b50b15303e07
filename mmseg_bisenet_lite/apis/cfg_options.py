"""``--cfg-options``: change a config, and name each change that nothing would read."""

import ast
import difflib
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import mmengine.registry
import mmseg.registry
from mmengine.config import Config, DictAction
from mmengine.hooks import CheckpointHook
from mmengine.registry import Registry
from mmengine.runner import LogProcessor, Runner, set_random_seed
from torch.utils.data import DataLoader

from mmseg_bisenet_lite.apis.training import HOOKS
from mmseg_bisenet_lite.compat.hooks import OF_MMENGINE
from mmseg_bisenet_lite.utils.errors import InputError, as_input_error
from mmseg_bisenet_lite.utils.registry import parameters_of

# Keys at the top of a config that MMEngine or MMSegmentation's tools read beside the runner's arguments.
_READ = {
    *inspect.signature(Runner.__init__).parameters,
    *('custom_imports', 'tta_model', 'tta_pipeline', 'model_wrapper_cfg', 'find_unused_parameters', 'sync_bn', 'compile'),
    *('activation_checkpointing', 'efficient_conv_bn_eval', 'runner_type', 'strategy'),
} - {'self', 'cfg'}

# Arguments of Runner.build_dataloader beside DataLoader's.
_LOADER = {'num_batch_per_epoch', 'worker_init_fn'}

# Dicts without a type: their keys.
_PLAIN: dict[str, set[str]] = {
    'env_cfg': {'cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'},
    'randomness': set(inspect.signature(set_random_seed).parameters),
    'auto_scale_lr': {'enable', 'base_batch_size'},
    'log_processor': set(inspect.signature(LogProcessor.__init__).parameters),
}

# Keys of optim_wrapper.paramwise_cfg, and of each of its custom_keys, without a constructor of the user's own.
_PARAMWISE = {
    *('custom_keys', 'bias_lr_mult', 'bias_decay_mult', 'norm_decay_mult', 'dwconv_decay_mult', 'flat_decay_mult'),
    *('dcn_offset_lr_mult', 'bypass_duplicate'),
}
_CUSTOM_KEYS = {'lr_mult', 'decay_mult'}

# Hooks that a training has whatever its config says; a config drops one by setting it to None.
_DEFAULT_HOOKS = {*OF_MMENGINE, *HOOKS}

# Keys that MMEngine takes from a dict before it builds the class in its type.
_TAKEN_BEFORE = {
    *('type', '_delete_', '_scope_', 'priority', 'constructor', 'paramwise_cfg', 'convert_to_iter_based', 'epoch_length')
}

# Arguments that are built by functions with arguments of their own, such as norm_cfg's requires_grad.
_BUILT_BY_FUNCTIONS = ('norm_cfg', 'act_cfg', 'conv_cfg', 'init_cfg', 'upsample_cfg', 'padding_cfg')

# How many places an error names.
_PLACES = 8


def parse_options(options: Sequence[str]) -> dict[str, Any]:
    """Return the keys and values of texts such as ``'train_dataloader.batch_size=4'``, as MMEngine reads them."""
    return {key: DictAction._parse_iterable(value) for key, _, value in (option.partition('=') for option in options)}


def merge_options(config: Config, options: Mapping[str, Any], source: str) -> None:
    """Change a config in place.

    Args:
        config: The config.
        options: New values by key, such as ``{'train_dataloader.batch_size': 4}``.
        source: The config's file, for error messages.

    Raises:
        InputError: A key does not fit the config, or nothing reads it: a typo, an argument that its class does not take, or a
            variable that the config file has used already.
    """
    before = config.copy()
    with as_input_error(
        f'--cfg-options: they do not fit {source}; check the keys', KeyError, TypeError, IndexError, AttributeError
    ):
        config.merge_from_dict(dict(options))
    if 'runner_type' not in config:  # a runner of the user's own may read anything
        for key in options:
            _check(key, before, config, options)


def unread_assignments(file: str, config: Config) -> list[str]:
    """Return the variables at the top of a config that inherits, which neither its own lines nor the runner reads.

    An inherited ``crop_size`` is such a variable: its value stands in the pipeline already, where a new ``crop_size`` does not
    reach it.

    Args:
        file: The config's file.
        config: The config.
    """
    try:
        tree = ast.parse(Path(file).read_text(encoding='utf-8'))
    except (OSError, SyntaxError, ValueError):  # reading the config says so
        return []
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    used = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    targets: list[str] = []
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
            places = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            targets += [node.id for place in places for node in ast.walk(place) if isinstance(node, ast.Name)]
    if '_base_' not in targets and 'read_base' not in used:
        return []
    return [name for name in dict.fromkeys(targets) if name not in used | _read(config) and not name.startswith('_')]


def _check(key: str, before: Config, after: Config, options: Mapping[str, Any]) -> None:
    """Raise an :class:`InputError` if nothing reads a key."""
    names = key.split('.')
    if names[0] not in _read(before):
        raise InputError(f'--cfg-options {key}: {_why_unread(names[0], before)}')
    value: Any = options[key]
    if isinstance(value, str) and re.fullmatch(r'\{.*\}|dict\(.*\)', value):
        raise InputError(f'--cfg-options {key}: a dict cannot be given as text; give its keys, as in {key}.NAME=VALUE')
    old, new, path = before._cfg_dict, after._cfg_dict, ''
    for name in names:
        if not isinstance(old, dict | list) or options.get(f'{path}._delete_'):
            old = {}
        if name != '_delete_' and not _has(old, name):
            problem = _why_not_taken(path, name, new, old, after)
            if problem:
                raise InputError(f'--cfg-options {key}: {problem}')
        path = f'{path}.{name}'.lstrip('.')
        if not _has(new, name):
            return
        old, new = (_get(old, name) if _has(old, name) else {}), _get(new, name)
    if isinstance(old, dict) and old and isinstance(value, str | int | float) and not isinstance(value, bool):
        raise InputError(f'--cfg-options {key}: here stands a dict with {", ".join(map(str, old))}; give {key}.NAME=VALUE')


def _read(config: Config) -> set[str]:
    """Return the keys at the top of a config that are read; a model's own ``data_preprocessor`` hides the one at the top."""
    hidden = {'data_preprocessor'} if (config.get('model') or {}).get('data_preprocessor') is not None else set()
    return _READ - hidden


def _has(where: Any, name: str) -> bool:
    return name.isdigit() and int(name) < len(where) if isinstance(where, list) else isinstance(where, dict) and name in where


def _get(where: Any, name: str) -> Any:
    return where[int(name)] if isinstance(where, list) else where[name]


def _why_unread(name: str, config: Config) -> str:
    """Say why a key at the top of a config has no effect, and what to change instead."""
    if name not in config:
        return f'nothing reads {name!r}{_suggestion(name, _read(config))}'
    places = list(_places(name, config[name], {key: config[key] for key in config if key in _read(config) - {'tta_pipeline'}}))
    more = f' and {len(places) - _PLACES} more' if len(places) > _PLACES else ''
    instead = f'change {", ".join(places[:_PLACES])}{more}' if places else 'write it into a config file'
    return f'{name!r} is a variable that only the config file uses, so that a new value changes nothing; {instead} instead'


def _places(name: str, value: Any, where: Any, path: str = '') -> Iterator[str]:
    """Yield where the value of a variable stands: under the variable's name, or the same text, list or dict."""
    pairs = where.items() if isinstance(where, dict) else enumerate(where) if isinstance(where, list) else ()
    for key, each in pairs:
        here = f'{path}.{key}'.lstrip('.')
        same = _plain(each) == _plain(value)
        if str(key) == name or (same and isinstance(value, str | list | tuple | dict) and value):
            yield here
        else:
            yield from _places(name, value, each, here)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _why_not_taken(path: str, name: str, parent: Any, old: Any, config: Config) -> str | None:
    """Say why the owner of a new key does not take it; ``None`` if it does, or if we cannot know."""
    last = path.rpartition('.')[2]
    if not isinstance(parent, dict) or name in _TAKEN_BEFORE:
        return None
    if path == 'default_hooks':
        hook = parent.get(name)
        fits = (isinstance(hook, dict) and 'type' in hook) or (hook is None and name in _DEFAULT_HOOKS)
        return None if fits else f'the config has no such hook{_suggestion(name, parent.keys() - {name}, "; it has {}")}'
    taken: set[str] | None
    if last.endswith('_dataloader'):
        owner, taken = last, _LOADER | set(inspect.signature(DataLoader.__init__).parameters)
    elif 'type' in parent and last not in _BUILT_BY_FUNCTIONS:
        kind = parent['type']
        owner, taken = str(getattr(kind, '__name__', kind)), _arguments(kind)
    else:
        owner, taken = last, _paramwise(path, config) or _PLAIN.get(path)
        if taken is None:  # a dict whose keys are anyone's: only a slip is sure to be one, and another number is none
            others = [key for key in map(str, old) if re.sub(r'\d', '', key) != re.sub(r'\d', '', name)]
            slips = difflib.get_close_matches(name, others, 1, 0.85) if path else []
            return f'{owner} has no {name!r}; do you mean {slips[0]!r}?' if slips else None
    if taken is None or name in taken:
        return None
    return f'{owner} takes no {name!r}{_suggestion(name, taken - {"self"}, "; it takes {}")}'


def _paramwise(path: str, config: Config) -> set[str] | None:
    """Return the keys that ``optim_wrapper.paramwise_cfg`` or one of its ``custom_keys`` has; ``None`` if it may have any."""
    own, custom = 'optim_wrapper.paramwise_cfg', 'optim_wrapper.paramwise_cfg.custom_keys'
    if not path.startswith(own) or 'constructor' in config.optim_wrapper:
        return None
    return _PARAMWISE if path == own else _CUSTOM_KEYS if path.startswith(f'{custom}.') else None


def _suggestion(name: str, known: Any, otherwise: str = '; see the keys of the config') -> str:
    close = difflib.get_close_matches(name, list(known), 1, 0.7)
    return f'; do you mean {close[0]!r}?' if close else otherwise.format(', '.join(sorted(known)))


def _arguments(kind: Any) -> set[str] | None:
    """Return the names of the arguments of a class, or of the registered classes of a name; ``None`` if it may take any."""
    if not isinstance(kind, str):
        return _parameters(kind)
    registries = {id(r): r for module in (mmengine.registry, mmseg.registry) for r in vars(module).values()}
    found = {r.get(kind) for r in registries.values() if isinstance(r, Registry)} - {None}
    parameters = [_parameters(each) for each in found]
    return set().union(*parameters) if parameters and None not in parameters else None  # type: ignore[arg-type]


def _parameters(kind: Any) -> set[str] | None:
    """Return the names of the arguments of a class or a function; ``None`` if there may be others."""
    names, others = parameters_of(kind)
    if others and isinstance(kind, type) and issubclass(kind, CheckpointHook):
        return {*names, *inspect.signature(Runner.save_checkpoint).parameters}
    return None if others else {*names}

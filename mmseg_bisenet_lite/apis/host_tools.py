"""MMSegmentation's ``tools/train.py`` and ``tools/test.py``, with the options that this package adds."""

import argparse
import runpy
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmseg.registry import OPTIM_WRAPPERS

from mmseg_bisenet_lite import compat
from mmseg_bisenet_lite.apis.cfg_options import merge_options, parse_options, unread_assignments
from mmseg_bisenet_lite.apis.config_errors import errors_of_config
from mmseg_bisenet_lite.apis.training import guarding_options, work_dir_of_one_training
from mmseg_bisenet_lite.deploy.runtimes import SUFFIXES
from mmseg_bisenet_lite.engine import AutoAmpOptimWrapper
from mmseg_bisenet_lite.pretrained.loading import parse_config
from mmseg_bisenet_lite.pretrained.names import SCHEME, checkpoint_file
from mmseg_bisenet_lite.utils.arguments import add_cfg_options, add_threshold
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.registry import class_of


def run_host_tool(tool: str) -> None:
    """Run the installed MMSegmentation's ``tools/<tool>.py`` with this process's arguments.

    Logs and files are the host's. Importing this package has already applied the fixes and registered the modules when the
    host reads a config.

    Args:
        tool: ``'train'`` or ``'test'``.

    Raises:
        InputError: An option of this package does not fit the other options, or nothing can be built from the config.
    """
    sys.argv[1:], config = for_host(tool, sys.argv[1:])
    with _guarded_training(config) if tool == 'train' and config else nullcontext(), errors_of_config(sys.argv[1]):
        runpy.run_path(str(compat.mim_folder('mmseg') / 'tools' / f'{tool}.py'), run_name='__main__')


@contextmanager
def _guarded_training(config: Config) -> Iterator[None]:
    """Guard the work dir of the training of this process's arguments, whose options the config has taken already."""
    args, _ = parser('train').parse_known_args()
    folder = config.get('work_dir') if args.work_dir is None else args.work_dir
    folder = Path('work_dirs') / Path(args.config).stem if folder is None else Path(folder)
    launcher = parse_options(args.cfg_options).get('launcher', args.launcher or 'none')
    saving = (config.get('default_hooks') or {}).get('checkpoint') or {}
    with work_dir_of_one_training(folder, args.resume, launcher, saving.get('out_dir'), saving.get('filename_tmpl')):
        yield


def parser(tool: str) -> argparse.ArgumentParser:
    """Return the parser of the options of MMSegmentation's tool and of this package."""
    found = argparse.ArgumentParser(description=f"{tool.capitalize()} a segmentor with MMSegmentation's tools/{tool}.py.")
    add = found.add_argument
    add('config', metavar='CONFIG', help='config of the segmentor')
    if tool == 'test':
        add('checkpoint', metavar='CHECKPOINT', help=f'weights (.pth or {SCHEME}NAME), or a file that tools/export.py wrote')
        add_threshold(found, "0; an exported file's own")
        add('--out', metavar='DIR', help='folder to write the masks to, as PNG files of 0 and 1')
        add('--show', action='store_true', help='show labels and predictions in windows')
        show_dir = 'folder to write pictures of labels and predictions to, side by side, of every 50th image'
        add('--show-dir', metavar='DIR', help=f'{show_dir} (default_hooks.visualization.interval)')
        add('--wait-time', metavar='SECONDS', help='seconds that each window of --show stays open (default: 2)')
        add('--tta', action='store_true', help='average the scores over scales and flips')
    else:
        add('--resume', action='store_true', help='continue from the last checkpoint in the work dir')
        amp = 'train in mixed precision if the config has a plain OptimWrapper; AutoAmpOptimWrapper chooses by itself'
        add('--amp', action='store_true', help=amp)
    add('--work-dir', metavar='DIR', help="folder for logs and checkpoints (default: work_dirs/ and the config's name)")
    add_cfg_options(add, 'change the config, such as train_dataloader.batch_size=4', action='extend', default=[])
    add(
        '--launcher',
        choices=('none', 'pytorch', 'slurm', 'mpi'),
        help='what starts the processes of a distributed run (default: none)',
    )
    add('--local-rank', '--local_rank', metavar='N', help='rank of this process on its machine; some launchers set it')
    return found


def config_of_test(config: str, checkpoint: str, threshold: str | None, options: Sequence[str]) -> Config:
    """Return the config of a test, as the host's ``tools/test.py`` gets it.

    Args:
        config: File of the config.
        checkpoint: Checkpoint, ``bisenet-lite://NAME``, or an exported file.
        threshold: What ``--threshold`` takes; ``None`` keeps that of the weights.
        options: What ``--cfg-options`` takes.

    Raises:
        InputError: The config is missing, or an argument does not fit it.
    """
    arguments = [config, checkpoint]
    if threshold is not None:
        arguments.append(f'--threshold={threshold}')
    if options:
        arguments += ['--cfg-options', *options]
    _, merged = for_host('test', arguments)
    return merged or parse_config(config)  # which says that the file is missing


def for_host(tool: str, arguments: Sequence[str]) -> tuple[list[str], Config | None]:
    """Return the arguments for the host's tool; options of this package become options of the config.

    Args:
        tool: ``'train'`` or ``'test'``.
        arguments: The user's arguments; unknown ones are passed on to the host.

    Returns:
        The arguments, and the config with all options; ``None`` if its file is missing.

    Raises:
        InputError: An option does not work with an exported file or with the config, or nothing would read it.
    """
    args, unknown = parser(tool).parse_known_args(list(arguments))
    given = vars(args)
    file, checkpoint, options = given.pop('config'), given.pop('checkpoint', None), given.pop('cfg_options')
    threshold = given.pop('threshold', None)
    if str(checkpoint).startswith(SCHEME):
        checkpoint_file(checkpoint)  # a wrong name stops before any data are read
    config = parse_config(file) if Path(file).is_file() else None  # the host names a file that is missing
    if checkpoint is not None and Path(checkpoint).suffix.lower() in SUFFIXES:
        options = [*_exported_model(checkpoint, threshold, args.tta), *options]
    elif threshold is not None:
        if any(key.startswith('default_hooks.threshold') for key in parse_options(options)):
            raise InputError('--threshold and --cfg-options default_hooks.threshold contradict each other: give one of them')
        options = [*_threshold(threshold, config), *options]
    _check_settings(tool, given, parse_options(options))
    if config is not None:
        for name in unread_assignments(file, config):
            print(f'{file}: warning: nothing reads {name}, so it changes nothing', file=sys.stderr)
        guards = guarding_options(config) if tool == 'train' else []
        config.merge_from_dict(parse_options(guards))
        merge_options(config, parse_options(options), file)
        options = [*guards, *options, *_fit_to_config(tool, given, config)]
    flags: list[str] = []
    for name, value in given.items():
        flag = f'--{name.replace("_", "-")}'
        if value is True or (value not in (None, False) and value.startswith('-')):
            flags.append(flag if value is True else f'{flag}={value}')
        elif value not in (None, False):
            flags += [flag, value]
    changes = ['--cfg-options', *options] if options else []
    return [file, *([] if checkpoint is None else [checkpoint]), *flags, *unknown, *changes], config


def _exported_model(file: str, threshold: str | None, tta: bool) -> list[str]:
    """Return the config options that replace the network by an exported file."""
    if not Path(file).is_file():
        raise InputError(f'{file}: there is no such file')
    if tta:
        raise InputError(f'--tta does not work with {file}: an exported file gives no scores to average; test the checkpoint')
    quote = '"' if "'" in file else "'"  # text in quotes is taken as it is
    moved = [] if threshold is None else [f'model.threshold={threshold}']
    return ['model._delete_=True', 'model.type=ExportedSegmentor', f'model.file={quote}{file}{quote}', *moved]


def _threshold(wanted: str, config: Config | None) -> list[str]:
    hooks = {} if config is None else config.get('default_hooks') or {}
    dropped = ['default_hooks.threshold._delete_=True'] if 'threshold' in hooks and hooks['threshold'] is None else []
    return [*dropped, 'default_hooks.threshold.type=ThresholdHook', f'default_hooks.threshold.use={wanted}']


def _check_settings(tool: str, given: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Raise an :class:`InputError` if the host would ignore one of the options for another."""
    if given['work_dir'] and 'work_dir' in options:
        raise InputError('--work-dir and --cfg-options work_dir contradict each other: give one of them')
    if tool == 'test' and 'load_from' in options:
        raise InputError('--cfg-options load_from: the CHECKPOINT of the command line is tested; leave this key out')
    if given.get('wait_time') and not given.get('show'):
        raise InputError('--wait-time is for the windows of --show: add --show, or leave it out')


def _fit_to_config(tool: str, given: dict[str, Any], config: Config) -> list[str]:
    """Fit the host's options to the changed config; return further options of the config.

    Raises:
        InputError: The config lacks what an option needs.
    """
    if tool == 'train':
        given['resume'] |= bool(config.get('resume'))  # the host takes the command line's word for it
        if given['amp']:
            given['amp'] = _wants_amp(config)
        return []
    if given['show'] or given['show_dir']:
        option = '--show' if given['show'] else '--show-dir'
        for name, where in (('visualization', config.get('default_hooks') or {}), ('visualizer', config)):
            if where.get(name) is None:
                raise InputError(f'{option} needs {name}, which the config lacks or has dropped; put it back')
    if given['out'] and not isinstance(config.get('test_evaluator'), dict):
        raise InputError('--out needs one test_evaluator; for several, set output_dir in one of them')
    if given['tta']:
        for name in ('tta_model', 'tta_pipeline'):
            if name not in config:
                raise InputError(f"--tta needs {name}, which the config lacks; inherit MMSegmentation's default_runtime.py")
    return ['resume=False'] if config.get('resume') else []  # else the host would go on with a training


def _wants_amp(config: Config) -> bool:
    """Whether the host's ``--amp`` has something to do; raise an :class:`InputError` if it does not fit the config."""
    wrapper = config.get('optim_wrapper') or {}
    kind: Any = wrapper.get('type', 'OptimWrapper')
    kind_class = class_of(OPTIM_WRAPPERS, kind)
    if kind_class is not None and issubclass(kind_class, AutoAmpOptimWrapper):
        if 'float32' in str(wrapper.get('dtype')):
            raise InputError('--amp and optim_wrapper.dtype=float32 contradict each other: leave one of them out')
        print(f'--amp is ignored: {kind_class.__name__} chooses the precision by itself (optim_wrapper.dtype)')
        return False
    if kind not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise InputError(f'--amp replaces OptimWrapper, not {kind}: set optim_wrapper.type=AmpOptimWrapper instead')
    return True

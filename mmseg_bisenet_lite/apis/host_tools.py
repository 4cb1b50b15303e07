"""MMSegmentation's ``tools/train.py`` and ``tools/test.py``, with the options that this package adds."""

import argparse
import runpy
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmseg_bisenet_lite import compat
from mmseg_bisenet_lite.apis.training import guarding_options, work_dir_of_one_training
from mmseg_bisenet_lite.deploy.runtimes import SUFFIXES
from mmseg_bisenet_lite.engine import AutoAmpOptimWrapper
from mmseg_bisenet_lite.models.decision import chosen_threshold
from mmseg_bisenet_lite.pretrained.names import SCHEME, checkpoint_file
from mmseg_bisenet_lite.utils.errors import InputError


def run_host_tool(tool: str) -> None:
    """Run the installed MMSegmentation's ``tools/<tool>.py`` with this process's arguments.

    Logs and files are the host's. Importing this package has already applied the fixes and registered the modules when the
    host reads a config.

    Args:
        tool: ``'train'`` or ``'test'``.

    Raises:
        InputError: An option of this package does not fit the other options.
    """
    sys.argv[1:] = host_arguments(tool, sys.argv[1:])
    with _guarded_training() if tool == 'train' else nullcontext():
        runpy.run_path(str(compat.mim_folder('mmseg') / 'tools' / f'{tool}.py'), run_name='__main__')


@contextmanager
def _guarded_training() -> Iterator[None]:
    """Add what :mod:`~mmseg_bisenet_lite.apis.training` adds to the training of this process's arguments."""
    args, _ = parser('train').parse_known_args()
    config = Config.fromfile(args.config)
    folder = {key: value for key, _, value in (option.partition('=') for option in args.cfg_options)}.get('work_dir')
    folder = args.work_dir or folder or config.get('work_dir') or Path('work_dirs') / Path(args.config).stem
    with work_dir_of_one_training(Path(folder), args.resume, args.launcher or 'none'):
        if args.cfg_options:  # the last arguments
            place = sys.argv.index('--cfg-options') + 1
        else:
            place = len(sys.argv) + 1
            sys.argv.append('--cfg-options')
        sys.argv[place:place] = guarding_options(config)  # before the user's, which win
        yield


def parser(tool: str) -> argparse.ArgumentParser:
    """Return the parser of the options of MMSegmentation's tool and of this package."""
    found = argparse.ArgumentParser(description=f"{tool.capitalize()} a segmentor with MMSegmentation's tools/{tool}.py.")
    add = found.add_argument
    add('config', metavar='CONFIG', help='config of the segmentor')
    if tool == 'test':
        add('checkpoint', metavar='CHECKPOINT', help=f'weights (.pth or {SCHEME}NAME), or a file that tools/export.py wrote')
        threshold = "call a pixel foreground if its margin is above this; best: the checkpoint's own threshold (default: 0)"
        add('--threshold', metavar='best|NUMBER', help=threshold)
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
    add(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='change the config, such as train_dataloader.batch_size=4',
    )
    add(
        '--launcher',
        choices=('none', 'pytorch', 'slurm', 'mpi'),
        help='what starts the processes of a distributed run (default: none)',
    )
    add('--local-rank', '--local_rank', metavar='N', help='rank of this process on its machine; some launchers set it')
    return found


def host_arguments(tool: str, arguments: Sequence[str]) -> list[str]:
    """Return the arguments for the host's tool; options of this package become options of the config.

    Args:
        tool: ``'train'`` or ``'test'``.
        arguments: The user's arguments; unknown ones are passed on to the host.

    Raises:
        InputError: ``--threshold`` is neither ``best`` nor a number, or an option does not work with an exported file.
    """
    args, unknown = parser(tool).parse_known_args(list(arguments))
    given = vars(args)
    config, checkpoint, options = given.pop('config'), given.pop('checkpoint', None), given.pop('cfg_options')
    threshold = given.pop('threshold', None)
    if str(checkpoint).startswith(SCHEME):
        checkpoint_file(checkpoint)  # a wrong name stops before any data are read
    if checkpoint is not None and Path(checkpoint).suffix in SUFFIXES:
        options = [*_exported_model(checkpoint, threshold, args.tta), *options]
    elif threshold is not None:
        options = [*_threshold(threshold), *options]
    if given.get('amp') and _mixes_by_itself(config, options):
        print(f'--amp is ignored: {AutoAmpOptimWrapper.__name__} chooses the precision by itself (optim_wrapper.dtype)')
        given['amp'] = False
    flags: list[str] = []
    for name, value in given.items():
        if value not in (None, False):
            flags += [f'--{name.replace("_", "-")}', *([] if value is True else [value])]
    changes = ['--cfg-options', *options] if options else []
    return [config, *([] if checkpoint is None else [checkpoint]), *flags, *unknown, *changes]


def _exported_model(file: str, threshold: str | None, tta: bool) -> list[str]:
    """Return the config options that replace the network by an exported file."""
    if not Path(file).is_file():
        raise InputError(f'{file}: there is no such file')
    if tta:
        raise InputError(f'--tta does not work with {file}: an exported file gives no scores to average; test the checkpoint')
    if threshold is not None:
        raise InputError(
            f'--threshold does not work with {file}: its threshold is built in; give --threshold to tools/export.py'
        )
    return ['model._delete_=True', 'model.type=ExportedSegmentor', f'model.file={file}']


def _threshold(wanted: str) -> list[str]:
    if wanted != 'best':
        chosen_threshold(wanted, {}, '--threshold')
    return ['default_hooks.threshold.type=ThresholdHook', f'default_hooks.threshold.use={wanted}']


def _mixes_by_itself(config: str, options: Sequence[str]) -> bool:
    """Whether the config has :class:`AutoAmpOptimWrapper`, with which MMSegmentation's tool refuses ``--amp``."""
    if not Path(config).is_file() or any(option.startswith('optim_wrapper.type=') for option in options):
        return False
    kind: Any = Config.fromfile(config).get('optim_wrapper', {}).get('type')  # the class, or its name with or without the scope
    return getattr(kind, '__name__', str(kind)).rpartition('.')[2] == AutoAmpOptimWrapper.__name__

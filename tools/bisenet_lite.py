"""The command ``bisenet-lite SUB ...``: the scripts of ``tools/`` and the doctor under one name.

In a wheel this file is a top-level module, ``bisenet_lite``. Importing anything from ``mmseg_bisenet_lite`` loads PyTorch,
which takes seconds, and the list of sub-commands should not wait for it.
"""

import sys

DISTRIBUTION = 'mmseg-bisenet-lite'
PACKAGE = 'mmseg_bisenet_lite'

# Sub-command -> (script in .mim/tools or module of the package that runs it, summary).
COMMANDS = {
    'train': ('train.py', 'train a segmentor'),
    'test': ('test.py', 'score a checkpoint or an exported file'),
    'test-corruptions': ('test_corruptions.py', 'score a checkpoint on dark, blurred, noisy and other photographs'),
    'predict': ('predict.py', 'segment images, folders, videos, streams and cameras'),
    'demo': (f'{PACKAGE}.deploy.demo', 'try networks on images and short videos, in a browser'),
    'export': ('export.py', 'write ONNX, OpenVINO or TensorRT files, checked against MMSegmentation'),
    'benchmark': ('benchmark.py', 'time segmentors side by side'),
    'benchmark-train': ('benchmark_train.py', 'time the data loader, step and workers of a training'),
    'check-dataset': ('check_dataset.py', 'look for wrong files and masks, duplicates and splits of one recording'),
    'reproduce': ('reproduce.py', "train the paper's comparison and print it beside the paper's numbers"),
    'search': ('search.py', 'train networks alike, time them side by side, and find those that no other beats'),
    'publish': ('publish.py', 'turn a checkpoint into weights to give away'),
    'convert-masks': ('convert_masks.py', 'turn annotations of labelme, CVAT or COCO into a data set'),
    'make-toy': ('make_toy_cityscapes.py', 'render a small street data set'),
    'doctor': (f'{PACKAGE}.doctor', 'show versions, devices and active fixes, and what is missing'),
}

HELP = '\n'.join(
    [
        'usage: bisenet-lite COMMAND ...',
        '',
        'BiSeNet with a lite context path, for two-class segmentation on robots.',
        '',
        'commands:',
        *(f'  {name:<17}{summary}' for name, (_, summary) in COMMANDS.items()),
        '',
        'options:',
        '  -h, --help       show this text; after a command, show its options',
        '  --version        show the version',
    ]
)


def _run_script(path: str) -> None:
    """Run a script as ``python PATH`` does, but keep ``sys.argv[0]``, which usage texts and error messages show."""
    from importlib.machinery import SourceFileLoader
    from types import ModuleType

    script = sys.modules['__main__'] = ModuleType('__main__')  # spawned worker processes look for the main module here
    script.__file__ = path
    SourceFileLoader('__main__', path).exec_module(script)


def main() -> int | str:
    """Run the sub-command that the command line names; return the exit status, or an error message for ``sys.exit``."""
    command, *arguments = sys.argv[1:] or ['--help']
    if command in ('-h', '--help'):
        print(HELP)
        return 0
    if command == '--version':
        from importlib.metadata import version

        print(f'bisenet-lite {version(DISTRIBUTION)}')
        return 0
    if command not in COMMANDS:
        print(f'bisenet-lite: error: {command!r} is not a command; choose from {", ".join(COMMANDS)}', file=sys.stderr)
        return 2

    from importlib.util import find_spec
    from pathlib import Path
    from runpy import run_module

    package = find_spec(PACKAGE)  # find_spec does not import a top-level package
    if package is None or package.origin is None:
        return f"bisenet-lite: error: the package {PACKAGE} is missing: run pip install '.[openmmlab,mmcv-lite]' in a checkout"
    sys.argv = [f'bisenet-lite {command}', *arguments]
    target, _ = COMMANDS[command]
    if target.endswith('.py'):
        _run_script(str(Path(package.origin).parent / '.mim' / 'tools' / target))
    else:
        run_module(target, run_name='__main__')
    return 0


if __name__ == '__main__':
    sys.exit(main())

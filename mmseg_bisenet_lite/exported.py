"""Exported files where MMSegmentation's tools expect a checkpoint."""

import re
from collections.abc import Sequence
from pathlib import Path

from mmengine.runner.checkpoint import CheckpointLoader

from mmseg_bisenet_lite.cli import with_options
from mmseg_bisenet_lite.deploy.runtimes import SUFFIXES
from mmseg_bisenet_lite.errors import InputError


@CheckpointLoader.register_scheme(prefixes=rf'.*({"|".join(map(re.escape, SUFFIXES))})$')
def load_nothing(filename: str, map_location: object = None) -> dict:
    """What MMEngine loads from an exported file into :class:`ExportedSegmentor`, which has read it already."""
    return dict(state_dict={}, meta={})


def with_exported_model(arguments: Sequence[str]) -> list[str]:
    """The arguments of ``tools/test.py`` with, if the checkpoint is an exported file, the model that runs it.

    Raises:
        InputError: The file is missing, or test-time augmentation is asked for.
    """
    # An option's KEY=VALUE may end like a file too.
    files = [text for text in arguments if Path(text).suffix in SUFFIXES and not re.match(r'[\w.]+=', text)]
    file = next(iter(files), None)
    if file is None:
        return list(arguments)
    if not Path(file).is_file():
        raise InputError(f'{file}: there is no such file')
    if '--tta' in arguments:
        raise InputError('--tta averages scores, which an exported file does not give; test the checkpoint')
    if any(text.partition('=')[0] == '--threshold' for text in arguments):
        raise InputError('--threshold changes weights, which an exported file has within; give it to tools/export.py')
    model = ['model._delete_=True', 'model.type=ExportedSegmentor', f'model.file={file}']
    return with_options(arguments, model)

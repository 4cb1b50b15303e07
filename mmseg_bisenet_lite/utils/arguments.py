"""``argparse`` types of command-line arguments."""

import argparse
import math
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.thresholds import parse_threshold

MOST_TILES = 64  # in a row or a column: more is a slip of the finger


def size(text: str) -> tuple[int, int]:
    """``argparse`` type of an image size, ``'WxH'`` to (width, height)."""
    match = re.fullmatch(r'(\d+)x(\d+)', text)
    if match is None or min(map(int, match.groups())) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not a size such as 640x360 (width x height)')
    return int(match[1]), int(match[2])


def tiles(text: str) -> tuple[int, int]:
    """``argparse`` type of a grid of tiles, ``'CxR'`` to (columns, rows)."""
    match = re.fullmatch(r'(\d+)x(\d+)', text)
    if match is None or not all(1 <= int(each) <= MOST_TILES for each in match.groups()):
        raise argparse.ArgumentTypeError(f'{text!r} is no grid such as 2x1 (columns x rows), each from 1 to {MOST_TILES}')
    return int(match[1]), int(match[2])


def region(text: str) -> tuple[int, int, int, int]:
    """``argparse`` type of a region of a frame, ``'X,Y,W,H'`` to (x, y, width, height) in pixels."""
    match = re.fullmatch(r'(\d+),(\d+),(\d+),(\d+)', text)
    if match is None or min(int(match[3]), int(match[4])) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is no region such as 0,120,640,240 (left, top, width, height in pixels)')
    return int(match[1]), int(match[2]), int(match[3]), int(match[4])


def count(text: str) -> int:
    """``argparse`` type of a whole number of at least 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number of at least 0')
    return int(text)


def positive(text: str) -> int:
    """``argparse`` type of a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number of at least 1')
    return int(text)


def number(text: str) -> float:
    """``argparse`` type of a finite number of at least 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f'{text!r} is not a number of at least 0')
    return value


def threshold(text: str) -> str:
    """``argparse`` type of a threshold of the margin; returns the text, see :mod:`mmseg_bisenet_lite.utils.thresholds`."""
    try:
        parse_threshold(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(error.line) from None
    return text


def recall(text: str) -> str:
    """``argparse`` type of a wanted recall, above 0 and at most 1; returns it as a threshold, ``'recall=0.95'``."""
    return threshold(f'recall={text}')


def some_of(names: Iterable[str]) -> Callable[[str], list[str]]:
    """Return the ``argparse`` type of a comma-separated list of some of the names; repetitions are dropped."""
    known = list(names)

    def parse(text: str) -> list[str]:
        chosen = list(dict.fromkeys(text.split(',')))
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f'{name!r} is unknown; choose from {", ".join(known)}')
        return chosen

    return parse


def path(text: str) -> Path:
    """``argparse`` type of a path. Empty text, as of an unset variable of the shell, would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("'' is not a path; is a variable of the shell empty?")
    return Path(text)


def output_file(text: str) -> Path:
    """``argparse`` type of a file that can be written: its folder exists, and it is not a folder itself."""
    file = path(text)
    if not file.parent.is_dir():
        raise argparse.ArgumentTypeError(f'{file}: the folder {file.parent} does not exist; create it first')
    if file.is_dir() or not os.access(file.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f'{file} cannot be written: it is a folder, or its folder is read-only')
    return file


def number_of_name(text: str) -> tuple[str, float]:
    """``argparse`` type of a name with a number, ``'NAME=1.5'``."""
    name, _, number = text.rpartition('=')
    try:
        return name, float(number)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is not NAME=NUMBER, such as lite=83.5') from None


def key_and_value(text: str) -> str:
    """``argparse`` type of a change to a config, ``'KEY=VALUE'``; returns the text."""
    key, equals, value = text.partition('=')
    if not equals or not all(key.split('.')):
        raise argparse.ArgumentTypeError(f'{text!r} is not KEY=VALUE, such as train_dataloader.batch_size=4')
    if value[:1] in ('(', '[') and any(value.count(a) != value.count(b) for a, b in ('()', '[]')):
        raise argparse.ArgumentTypeError(f'{text!r}: a bracket is missing')
    return text


def add_cfg_options(add: Callable[..., Any], what: str, **settings: Any) -> None:
    """Add ``--cfg-options KEY=VALUE ...``.

    Args:
        add: ``add_argument`` of a parser or a group.
        what: Help text.
        **settings: ``action`` and ``default``, by which the texts are kept.
    """
    add('--cfg-options', nargs='+', type=key_and_value, metavar='KEY=VALUE', help=what, **settings)


def add_runtime(add: Callable[..., Any]) -> None:
    """Add ``--device``, ``--threads`` and ``--precision``, as ``Segmenter`` takes them.

    Args:
        add: ``add_argument`` of a parser or a group.
    """
    device = 'runtime device: cpu or cuda:0; for OpenVINO CPU, GPU or NPU (default: the CPU; for TensorRT the first GPU)'
    add('--device', metavar='NAME', help=device)
    add('--threads', type=positive, metavar='N', help="number of CPU threads of the network (default: the runtime's choice)")
    precision = "fp32, fp16 or bf16, where the runtime can choose: OpenVINO and PyTorch (default: the file's; PyTorch: fp32)"
    add('--precision', metavar='P', help=precision)


def add_threshold(parser: argparse.ArgumentParser | argparse._ArgumentGroup, default: str) -> None:
    """Add ``--threshold`` and ``--recall``, either of which sets ``threshold``.

    Args:
        parser: A parser or a group.
        default: What holds without them, for the help text.
    """
    either = parser.add_mutually_exclusive_group()
    what = (
        'call a pixel foreground if its margin is above this. best: the threshold with the highest F1 on val; recall=R, '
        f'precision=P: the one that had at least this share on val (default: {default})'
    )
    either.add_argument('--threshold', type=threshold, metavar='best|NUMBER|recall=R|precision=P', help=what)
    short = 'the same as --threshold recall=R, such as --recall 0.95; it held on val, and may not hold elsewhere'
    either.add_argument('--recall', dest='threshold', type=recall, metavar='R', help=short)

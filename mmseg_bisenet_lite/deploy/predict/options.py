"""The command line of predict."""

import argparse
import re
from collections.abc import Callable, Sequence
from typing import get_args

from mmseg_bisenet_lite.deploy.calibration import check_abstain
from mmseg_bisenet_lite.deploy.predict.outputs import KINDS
from mmseg_bisenet_lite.deploy.predict.outputs.writer import MaskValues
from mmseg_bisenet_lite.utils.arguments import add_runtime, add_threshold, number, path, positive, region, some_of, tiles
from mmseg_bisenet_lite.utils.errors import InputError


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line; by default that of the process."""
    parser = argparse.ArgumentParser(
        description='Segment images, folders, videos, streams and cameras with weights, a checkpoint or an exported file.'
    )
    parser.add_argument(
        'model',
        metavar='MODEL',
        help='name of weights that come with the package; a file that tools/export.py wrote; or a config, with --checkpoint',
    )
    parser.add_argument(
        'source',
        nargs='+',
        metavar='SOURCE',
        help="image; folder; pattern such as 'a/*.jpg', in quotes; .txt file that names images and videos; numbered images, "
        'such as a/%%04d.png; video; stream; or number of a camera',
    )
    _add_network(parser.add_argument_group('network').add_argument)
    masks = parser.add_argument_group('masks')
    add_threshold(masks, "the file's, which is 0 for weights")
    _add_masks(masks.add_argument)
    _add_outputs(parser.add_argument_group('outputs').add_argument)
    _add_frames(parser.add_argument_group('frames').add_argument)
    args = parser.parse_args(arguments)
    if args.out is None:
        for name in ('save', 'mask_values', 'overwrite', 'shard'):
            if getattr(args, name):
                parser.error(f'--{name.replace("_", "-")} is about what is written; give --out too')
    if args.ray is None and args.workers is not None:
        parser.error('--workers is about --ray; give both')
    if args.ray is not None and (args.out is None or args.shard or args.limit):
        parser.error('--ray needs --out, shares the files out by itself, and has no --limit')
    args.workers = args.workers or 2
    return args


def _add_network(add: Callable[..., object]) -> None:
    add('--checkpoint', metavar='FILE', help='weights of the config: a .pth file or bisenet-lite://NAME')
    add_runtime(add)
    batch = "frames of one size in a call of the network (default: the file's; if it takes any number, 1, or of cameras all)"
    add('--batch', type=positive, metavar='N', help=batch)


def _add_masks(add: Callable[..., object]) -> None:
    add('--abstain', type=certainty, metavar='P', help='leave pixels undecided where neither class has this probability')
    add('--stabilise', action='store_true', help='average the masks of a video over time, so that they do not flicker')
    add('--roi', type=region, metavar='X,Y,W,H', help='look only at this part of each frame, in pixels')
    add('--tiles', type=tiles, metavar='CxR', help='look at each frame in columns x rows of overlapping tiles')


def _add_outputs(add: Callable[..., object]) -> None:
    add('--out', type=path, metavar='DIR', help='folder for the outputs; without it only speed and latency are printed')
    default = 'default: mask,overlay for images, video for the others'
    add('--save', type=some_of(KINDS), metavar='WHAT,...', help=f'what to write: {", ".join(KINDS)} ({default})')
    add('--mask-values', choices=get_args(MaskValues), help='values of background and foreground in masks (default: 0/255)')
    add('--overwrite', action='store_true', help='write again what is there; otherwise it is skipped')
    ray = 'share the files out over the workers of a Ray cluster; without an address Ray is started on this machine'
    add('--ray', nargs='?', const='local', metavar='ADDRESS', help=ray)
    add('--workers', type=positive, metavar='N', help='workers of --ray, each with the network and --threads CPUs (default: 2)')
    add(
        '--shard',
        type=shard,
        metavar='I/N',
        help='do the I-th of N equal parts of the files, I from 1 to N, as in a job array of Slurm; a video is never split',
    )


def _add_frames(add: Callable[..., object]) -> None:
    add('--recursive', action='store_true', help='read the folders below a folder too')
    add('--limit', type=positive, metavar='N', help='stop after N frames')
    add('--max-fps', type=number, metavar='F', help='take at most so many frames a second from each camera and stream')
    reconnect = 'open a camera or a stream that broke again, for so many seconds (default: 60)'
    add('--reconnect-for', type=number, metavar='SECONDS', help=reconnect)


def certainty(text: str) -> float:
    """``argparse`` type of the probability of ``--abstain``."""
    value = number(text)
    try:
        check_abstain(value)
    except InputError as error:
        raise argparse.ArgumentTypeError(error.line) from None
    return value


def shard(text: str) -> tuple[int, int]:
    """``argparse`` type of a shard, ``'I/N'`` to (I, N), I from 1 to N."""
    match = re.fullmatch(r'(\d+)/(\d+)', text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        hint = '; with an array that begins at 0, give $((SLURM_ARRAY_TASK_ID + 1))/N' if text.startswith('0/') else ''
        raise argparse.ArgumentTypeError(f'{text!r} is not a shard I/N, I from 1 to N{hint}')
    return int(match[1]), int(match[2])

"""Models: the Segmenter that the user names."""

import argparse
from pathlib import Path
from typing import Any

from mmseg_bisenet_lite.deploy.predict.network import Network, Segments
from mmseg_bisenet_lite.deploy.segmenter import Segmenter
from mmseg_bisenet_lite.deploy.tiles import TiledSegmenter
from mmseg_bisenet_lite.pretrained.names import SCHEME, names
from mmseg_bisenet_lite.utils.errors import InputError


def segmenter_of(args: argparse.Namespace) -> Segments:
    """Load what the user names as MODEL.

    Raises:
        InputError: As for ``Segmenter``; or MODEL and ``--checkpoint`` do not go together.
    """
    options: dict[str, Any] = dict(
        device=args.device, threads=args.threads, precision=args.precision, resize=True, threshold=args.threshold
    )
    segmenter = _segmenter(args.model, args.checkpoint, options)
    if args.tiles is None and args.roi is None:
        return segmenter
    return TiledSegmenter(segmenter, tiles=args.tiles or (1, 1), roi=args.roi)


def _segmenter(model: str, checkpoint: str | None, options: dict[str, Any]) -> Segmenter:
    if Path(model).suffix.lower() == '.py':
        if checkpoint is None:
            raise InputError(f'{model}: a config needs weights; give --checkpoint FILE')
        return Segmenter.from_checkpoint(model, checkpoint, **options)
    if checkpoint is not None:
        raise InputError(f'--checkpoint: {model} has its weights already; give --checkpoint only with a config (.py)')
    known = model in names() and not Path(model).exists()
    return Segmenter(f'{SCHEME}{model}' if known else model, **options)


def network_of(segmenter: Segments, args: argparse.Namespace, save: list[str]) -> Network:
    """Return the network with all that the options ask for.

    Raises:
        InputError: As for :class:`~mmseg_bisenet_lite.deploy.predict.network.Network`.
    """
    return Network(
        segmenter,
        margin='margin' in save,
        probability='confidence' in save,
        stabilise=args.stabilise,
        abstain=args.abstain,
    )


def batch_of(segmenter: Segments, wanted: int | None) -> int:
    """Return the number of frames in a call of the network.

    Raises:
        InputError: The file takes another number.
    """
    own = segmenter.metadata.batch
    if wanted is not None and own is not None and wanted % own:
        raise InputError(f'--batch {wanted}: this file runs {own} frames at once; give a multiple of {own}, or export another')
    return wanted or own or 1

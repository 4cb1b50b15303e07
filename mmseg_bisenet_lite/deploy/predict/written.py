"""What a run writes, by its options."""

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from mmseg_bisenet_lite.deploy.metadata import Metadata
from mmseg_bisenet_lite.deploy.predict.frames import Source
from mmseg_bisenet_lite.deploy.predict.network import Segments
from mmseg_bisenet_lite.deploy.predict.outputs import Outputs
from mmseg_bisenet_lite.deploy.predict.outputs.writer import MaskValues
from mmseg_bisenet_lite.deploy.predict.sources import Inputs
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.sizes import size_text


def save_of(args: argparse.Namespace, inputs: Inputs) -> list[str]:
    """Return what to write: unless told, pictures if there are images, a video if there is a video or a camera.

    Raises:
        InputError: There are values for masks, and no masks.
    """
    pictures = ['mask', 'overlay'] if inputs.images or inputs.sequences else []
    save: list[str] = args.save or pictures + (['video'] if inputs.videos or inputs.streams else [])
    if args.mask_values and 'mask' not in save:
        raise InputError(f'--mask-values {args.mask_values}: no masks are written; add mask to --save, or leave it out')
    return save


def outputs_of(
    args: argparse.Namespace, segmenter: Segments, save: list[str], sources: Sequence[Source]
) -> AbstractContextManager[Outputs | None]:
    """Return the outputs of a run or of a shard of it, for a ``with`` statement; ``None`` without ``--out``."""
    if args.out is None:
        return nullcontext()
    part = None if args.shard is None else f'{args.shard[0]}of{args.shard[1]}'
    values: MaskValues = args.mask_values or '0/255'
    model = segmenter.metadata
    options = _options(args, model, values)
    return Outputs(args.out, save, model, args.overwrite, sources, mask_values=values, part=part, options=options)


def _options(args: argparse.Namespace, model: Metadata, values: MaskValues) -> str:
    """Return in words what masks depend on besides the frames; how and where the network runs is no part of it."""
    size = 'any size' if model.size is None else size_text(model.size)
    options = [Path(model.config).stem, model.weights_sha256[:8], size, model.precision]
    options += [f'--threshold {model.threshold:g}', f'--mask-values {values}']
    options += [f'--abstain {args.abstain:g}'] if args.abstain is not None else []
    options += ['--stabilise'] if args.stabilise else []
    options += [f'--roi {",".join(map(str, args.roi))}'] if args.roi else []
    options += [f'--tiles {size_text(args.tiles)}'] if args.tiles else []
    return ' '.join(options)

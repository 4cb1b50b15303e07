"""What a run writes, by its options."""

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from mmseg_bisenet_lite.deploy.predict.frames import Source
from mmseg_bisenet_lite.deploy.predict.network import Segments
from mmseg_bisenet_lite.deploy.predict.outputs import Outputs
from mmseg_bisenet_lite.deploy.predict.outputs.writer import MaskValues
from mmseg_bisenet_lite.deploy.predict.sources import Images


def default_save(sources: Sequence[Source]) -> list[str]:
    """Return what to write unless told: pictures if there are images, a video if there is a video or a camera."""
    pictures = ['mask', 'overlay'] if any(isinstance(source, Images) for source in sources) else []
    return pictures + (['video'] if not all(isinstance(source, Images) for source in sources) else [])


def outputs_of(
    args: argparse.Namespace, segmenter: Segments, save: list[str], sources: Sequence[Source]
) -> AbstractContextManager[Outputs | None]:
    """Return the outputs of a run or of a shard of it, for a ``with`` statement; ``None`` without ``--out``."""
    if args.out is None:
        return nullcontext()
    part = None if args.shard is None else f'{args.shard[0]}of{args.shard[1]}'
    values: MaskValues = args.mask_values or '0/255'
    return Outputs(args.out, save, segmenter.metadata, args.overwrite, sources, mask_values=values, part=part)

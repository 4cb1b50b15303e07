"""The program predict: ``bisenet-lite predict``, ``tools/predict.py`` and ``python -m mmseg_bisenet_lite.deploy``."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mmseg_bisenet_lite.deploy.predict.frames import Failure, Source
from mmseg_bisenet_lite.deploy.predict.meter import Meter
from mmseg_bisenet_lite.deploy.predict.models import batch_of, network_of, segmenter_of
from mmseg_bisenet_lite.deploy.predict.network import Network
from mmseg_bisenet_lite.deploy.predict.options import parse_args
from mmseg_bisenet_lite.deploy.predict.outputs import Outputs
from mmseg_bisenet_lite.deploy.predict.pipeline import Pipeline
from mmseg_bisenet_lite.deploy.predict.progress import shown
from mmseg_bisenet_lite.deploy.predict.sources import Images, Inputs, find, sources_in
from mmseg_bisenet_lite.utils.console import one_line_errors
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import named

MOST_NAMED = 8  # failures that the last line names


def main() -> None:
    """Segment what the command line names, write what it asks for, and print the speed."""
    with one_line_errors():
        args = parse_args()
        inputs = find(args.source, args.recursive)
        _tell_left_out(inputs)
        sources = sources_in(inputs, args.shard or (1, 1), check_names=args.out is not None)
        _check_sources(args, sources)
        segmenter = segmenter_of(args)
        save = args.save or _default_save(sources)
        network = network_of(segmenter, args, save if args.out else [])
        model = segmenter.metadata
        print(f'{args.model}: {segmenter.runtime}, {segmenter.precision}; classes: {", ".join(model.classes)}', flush=True)
        if not sources:
            print(f'--shard {args.shard[0]}/{args.shard[1]}: no files are left for this shard')
            return
        with _outputs(args, network, save, sources) as outputs:
            if sources[0].live:
                _run_live(args, network, sources, outputs)
            else:
                _run(args, network, save, sources, outputs)


def _check_sources(args: argparse.Namespace, sources: Sequence[Source]) -> None:
    """Raise an error for sources that do not go together, or not with the options."""
    live = [source for source in sources if source.live]
    if live and len(live) < len(sources):
        raise InputError(f'{live[0].label}: cameras and streams do not wait for files; run files and live sources one by one')
    if args.max_fps is not None and not live:
        raise InputError('--max-fps: no SOURCE is a camera or a stream; leave it out')
    if args.max_fps == 0:
        raise InputError('--max-fps 0: give a number above 0')
    if args.stabilise and sources and not any(source.moving for source in sources):
        raise InputError('--stabilise: still images have no earlier frame; give a video, a camera or a/%04d.png')


def _default_save(sources: Sequence[Source]) -> list[str]:
    """Return what to write unless told: pictures if there are images, a video if there is a video or a camera."""
    pictures = ['mask', 'overlay'] if any(isinstance(source, Images) for source in sources) else []
    return pictures + (['video'] if not all(isinstance(source, Images) for source in sources) else [])


@contextmanager
def _outputs(
    args: argparse.Namespace, network: Network, save: list[str], sources: Sequence[Source]
) -> Iterator[Outputs | None]:
    """Yield the outputs, and finish them however the run ends."""
    if args.out is None:
        yield None
        return
    part = None if args.shard is None else f'{args.shard[0]}of{args.shard[1]}'
    values = args.mask_values or '0/255'
    metadata = network.segmenter.metadata
    outputs = Outputs(args.out, save, metadata, args.overwrite, sources, mask_values=values, part=part)
    try:
        yield outputs
    finally:
        outputs.close()


def _run(
    args: argparse.Namespace, network: Network, save: list[str], sources: Sequence[Source], outputs: Outputs | None
) -> None:
    meter, failures = Meter(), Failures(sources)
    counts = [source.count for source in sources]
    total = None if None in counts else sum(count for count in counts if count is not None)
    if args.limit is not None:
        total = min(total or args.limit, args.limit)
    try:
        with shown(meter, total) as tick:
            Pipeline(
                network,
                outputs,
                meter,
                failures.add,
                tick,
                batch=batch_of(network.segmenter, args.batch),
                limit=args.limit,
                together='video' in save or args.stabilise,
            ).run(sources)
    finally:  # also after Ctrl-C
        if meter.tried or meter.skipped:
            print(meter)
        if network.segmenter.latency.calls:
            print(network.segmenter.latency)
    failures.check(meter)


def _run_live(args: argparse.Namespace, network: Network, sources: Sequence[Source], outputs: Outputs | None) -> None:
    from mmseg_bisenet_lite.deploy.predict.live_runner import run_live  # type: ignore[import-untyped,import-not-found]

    run_live(network, sources, outputs.write if outputs else None, max_fps=args.max_fps, limit=args.limit)


def _tell_left_out(inputs: Inputs) -> None:
    """Name what lies in the folders and is neither an image nor a video, on standard error."""
    for text, files in inputs.left_out.items():
        print(f'{text}: left out, not images or videos: {named([file.name for file in files])}', file=sys.stderr)


class Failures:
    """What failed: told at once, and counted in the last line.

    Args:
        sources: The sources. The failure of the only input is the error of the program.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._single = len(sources) == 1 and (not isinstance(sources[0], Images) or sources[0].count == 1)
        self._first: list[Failure] = []

    def add(self, source: Source, failure: Failure) -> None:
        """Tell a failure, and remember the first ones."""
        if len(self._first) < MOST_NAMED:
            self._first.append(failure)
        if not self._single:
            print(failure.error.line, file=sys.stderr, flush=True)

    def check(self, meter: Meter) -> None:
        """Raise an :class:`InputError` if there were failures."""
        if self._first and self._single:
            raise self._first[0].error
        if self._first:
            more = ' and so on' if meter.failed > len(self._first) else ''
            first = ', '.join(failure.name for failure in self._first)
            raise InputError(f'{meter.failed} of {meter.tried} failed, each is named above: {first}{more}')

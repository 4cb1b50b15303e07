"""The program predict: ``bisenet-lite predict``, ``tools/predict.py`` and ``python -m mmseg_bisenet_lite.deploy``."""

import argparse
import sys
import warnings
from collections.abc import Sequence

from mmseg_bisenet_lite.deploy.predict.frames import Failure, Source
from mmseg_bisenet_lite.deploy.predict.live_runner import run_live
from mmseg_bisenet_lite.deploy.predict.meter import Meter
from mmseg_bisenet_lite.deploy.predict.models import batch_of, network_of, segmenter_of
from mmseg_bisenet_lite.deploy.predict.network import Network
from mmseg_bisenet_lite.deploy.predict.on_cluster import predict_on_ray
from mmseg_bisenet_lite.deploy.predict.options import parse_args
from mmseg_bisenet_lite.deploy.predict.outputs import Outputs
from mmseg_bisenet_lite.deploy.predict.pipeline import Pipeline
from mmseg_bisenet_lite.deploy.predict.progress import shown
from mmseg_bisenet_lite.deploy.predict.sources import Images, Inputs, find, sources_in
from mmseg_bisenet_lite.deploy.predict.written import outputs_of, save_of
from mmseg_bisenet_lite.utils.console import one_line_errors
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.images import named

MOST_NAMED = 8  # failures that the last line names


def main() -> None:
    """Segment what the command line names, write what it asks for, and print the speed."""
    with one_line_errors(), warnings.catch_warnings():
        warnings.showwarning = _show_warning
        args = parse_args()
        inputs = find(args.source, args.recursive)
        _tell_left_out(inputs)
        sources = sources_in(inputs, args.shard or (1, 1), check_names=args.out is not None)
        _check_sources(args, inputs, sources)
        if args.ray is not None:
            predict_on_ray(args, inputs, sources)
            return
        if not sources:
            print(f'--shard {args.shard[0]}/{args.shard[1]}: no files are left for this shard')
            return
        save = save_of(args, inputs)
        segmenter = segmenter_of(args)
        network = network_of(segmenter, args, save if args.out else [])
        model = segmenter.metadata
        print(f'{args.model}: {segmenter.runtime}, {segmenter.precision}; classes: {", ".join(model.classes)}', flush=True)
        meter, failures = Meter(), Failures(sources)
        with outputs_of(args, segmenter, save, sources) as outputs:
            if sources[0].live:
                _run_live(args, network, sources, outputs)
            else:
                _run(args, network, sources, outputs, meter, failures)
        failures.check(meter)


def _check_sources(args: argparse.Namespace, inputs: Inputs, sources: Sequence[Source]) -> None:
    """Raise an error for sources that do not go together, or not with the options; a shard of them may have images alone."""
    live = [source for source in sources if source.live]
    if live and len(live) < len(sources):
        raise InputError(f'{live[0].label}: cameras and streams do not wait for files; run files and live sources one by one')
    for option, value in (('--max-fps', args.max_fps), ('--reconnect-for', args.reconnect_for)):
        if value is not None and not live:
            raise InputError(f'{option}: no SOURCE is a camera or a stream; leave it out')
    if args.max_fps == 0:
        raise InputError('--max-fps 0: give a number above 0')
    if args.stabilise and not (inputs.videos or inputs.sequences or inputs.streams):
        raise InputError('--stabilise: still images have no earlier frame; give a video, a camera or a/%04d.png')


def _run(
    args: argparse.Namespace,
    network: Network,
    sources: Sequence[Source],
    outputs: Outputs | None,
    meter: Meter,
    failures: 'Failures',
) -> None:
    batch = batch_of(network.segmenter, args.batch)
    try:
        with shown(meter, _total(sources, args.limit)) as tick:
            Pipeline(network, outputs, meter, failures.add, tick, batch, args.limit).run(sources)
    finally:  # also after Ctrl-C
        if meter.tried or meter.skipped:
            print(meter)
        if network.segmenter.latency.calls:
            print(network.segmenter.latency)


def _total(sources: Sequence[Source], limit: int | None) -> int | None:
    """Return the number of frames, if all sources know theirs; a limit may be more than there are."""
    counts = [source.count for source in sources]
    known = [count for count in counts if count is not None]
    if len(known) < len(counts):
        return limit
    return sum(known) if limit is None else min(limit, sum(known))


def _run_live(args: argparse.Namespace, network: Network, sources: Sequence[Source], outputs: Outputs | None) -> None:
    run_live(
        network,
        sources,
        outputs.write if outputs else None,
        limit=args.limit,
        batch=args.batch,
        max_fps=args.max_fps,
        reconnect_for=60.0 if args.reconnect_for is None else args.reconnect_for,
    )


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f'warning: {message}', file=sys.stderr)


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

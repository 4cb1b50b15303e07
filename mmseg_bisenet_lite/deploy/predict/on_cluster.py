"""The option ``--ray`` of predict: shards of the files on a cluster."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmseg_bisenet_lite.deploy.predict.frames import Source
from mmseg_bisenet_lite.deploy.predict.meter import Meter
from mmseg_bisenet_lite.deploy.predict.models import batch_of, network_of, segmenter_of
from mmseg_bisenet_lite.deploy.predict.on_ray import RunShard, ShardResult, check, run_shards, shards_of
from mmseg_bisenet_lite.deploy.predict.pipeline import Pipeline
from mmseg_bisenet_lite.deploy.predict.sources import Inputs, sources_in
from mmseg_bisenet_lite.deploy.predict.written import outputs_of, save_of
from mmseg_bisenet_lite.utils.console import progress_bar
from mmseg_bisenet_lite.utils.errors import InputError


def predict_on_ray(args: argparse.Namespace, inputs: Inputs, sources: Sequence[Source]) -> None:
    """Segment files on the workers of a Ray cluster, write what the options ask for, and print what was done.

    Raises:
        InputError: A source cannot be shared out, there is no such cluster, or something failed; it names the first ones.
    """
    inputs.check_shared('--ray')
    gpus = gpus_of(args.model, args.device)
    cpu = not gpus and (args.device or 'cpu').lower() == 'cpu'
    save = save_of(args, inputs)
    shards = shards_of(len(inputs.images) + len(inputs.videos), args.workers)

    def load() -> RunShard:
        # By itself a runtime would take all cores of the machine.
        threads = args.threads or (1 if cpu else None)
        segmenter = segmenter_of(argparse.Namespace(**{**vars(args), 'threads': threads}))
        network = network_of(segmenter, args, save)

        def run(number: int, shards: int) -> ShardResult:
            own = argparse.Namespace(**{**vars(args), 'shard': (number, shards)})
            part, meter, failures = sources_in(inputs, (number, shards), check_names=False), Meter(), []
            with outputs_of(own, segmenter, save, part) as outputs:
                fail = lambda source, failure: failures.append(failure.error.line)  # noqa: E731
                Pipeline(network, outputs, meter, fail, batch=batch_of(segmenter, args.batch)).run(part)
            return ShardResult(number, meter.done, meter.skipped, failures)

        return run

    done = []
    with progress_bar('starting Ray') as show:

        def tick(result: ShardResult) -> None:
            done.append(result)
            show(f'{len(done)} of {shards} shards', len(done) / shards)

        results = run_shards(
            load,
            shards,
            args.workers,
            None if args.ray == 'local' else args.ray,
            cpus=args.threads or 1,
            gpus=gpus,
            show=tick,
        )
    frames, skipped = sum(result.done for result in results), sum(result.skipped for result in results)
    print(f'{frames} frames done, {skipped} skipped, in {shards} shards on {min(args.workers, shards)} workers')
    check(results)


def gpus_of(model: str, device: str | None) -> int:
    """Return the number of GPUs that a worker needs.

    Raises:
        InputError: ``device`` counts this machine's GPUs, of which a worker sees the one that Ray gives it.
    """
    kind, _, number = (device or ('cuda' if Path(model).suffix.lower() == '.engine' else 'cpu')).lower().partition(':')
    if kind in ('cuda', 'tensorrt') and number not in ('', '0'):
        raise InputError(f'--device {device}: with --ray each worker has a GPU of its own; give --device {kind}')
    return int(kind.startswith(('cuda', 'tensorrt', 'gpu')))

"""Time segmentors side by side; without arguments, the paper's two networks at the paper's six sizes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mmseg_bisenet_lite.compat import require_host
from mmseg_bisenet_lite.utils import malloc
from mmseg_bisenet_lite.utils.arguments import count, number, number_of_name, output_file, size, some_of
from mmseg_bisenet_lite.utils.console import one_line_errors, progress_bar
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.files import atomic_write

if TYPE_CHECKING:
    from mmseg_bisenet_lite.benchmark import Results


def parse_args() -> argparse.Namespace:
    """The command line."""
    from mmseg_bisenet_lite.apis.peers import PEERS
    from mmseg_bisenet_lite.benchmark import ENGINES, INFERENCE_MODEL, PRECISIONS, SCOPES, SIZES, Plan

    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument_group('what to time').add_argument
    add('configs', nargs='*', default=[], metavar='CONFIG', help='the others are compared with the first')
    add('--checkpoint', nargs='+', default=[], metavar='FILE', help="one for each CONFIG, 'none' for initial weights")
    add(
        '--exported',
        nargs='+',
        default=[],
        metavar='FILE',
        help='of tools/export.py, from a --checkpoint here; timed in the scope frame, each at the sizes that it takes',
    )
    peers = ', '.join(PEERS)
    add(
        '--peers',
        nargs='?',
        const=list(PEERS),
        default=[],
        type=some_of(PEERS),
        metavar='NAME,...',
        help=f'add {peers}, or some',
    )
    add('--sizes', nargs='+', type=size, default=SIZES, metavar='WxH', help="of the images (default: the paper's six)")
    add(
        '--scope',
        type=some_of(SCOPES),
        default=['forward'],
        metavar='SCOPE,...',
        help='forward (default): image tensor to score map, as the paper; predict: to mask; frame: uint8 BGR frame in host '
        'memory to uint8 mask in host memory, as a robot',
    )
    add = parser.add_argument_group('how to run it').add_argument
    add(
        '--precision',
        type=some_of(PRECISIONS),
        default=['fp32'],
        metavar='P,...',
        help=f'{", ".join(PRECISIONS)} (default: fp32)',
    )
    engines = [*ENGINES, INFERENCE_MODEL]
    add(
        '--engine',
        type=some_of(engines),
        default=['eager'],
        metavar='E,...',
        help=f"{', '.join(ENGINES)}: ways of PyTorch's (default: eager); {INFERENCE_MODEL}: MMSegmentation's function, in the "
        'scope frame',
    )
    add('--device', metavar='NAME', help='cpu, cuda, cuda:1, ... (default: the best)')
    add('--threads', type=count, metavar='N', help="of the CPU (default: PyTorch's)")
    add('--batch', type=count, default=1, metavar='N', help='images in one call (default: 1)')
    add('--cuda-graph', action='store_true', help='calls are recorded once and replayed')
    keep = 'the memory that maps leave stays with the process, as GPUs have it (default on Linux; see the README)'
    add('--keep-memory', action=argparse.BooleanOptionalAction, default=malloc.can_keep(), help=keep)
    add = parser.add_argument_group('how long').add_argument
    add('--seconds', type=number, default=Plan.seconds, help='at each size, at most (default: %(default)s)')
    add('--half-width', type=number, default=Plan.half_width, help='stop once all ratios are this sure (default: %(default)s)')
    add = parser.add_argument_group('what becomes of it').add_argument
    add('--json', type=output_file, metavar='FILE', help='everything, raw times too, renewed after each size')
    add('--markdown', type=output_file, metavar='FILE', help='the tables')
    add('--plot', type=output_file, metavar='FILE', help='FPS against size; given accuracies, a second picture of both')
    add('--accuracy', nargs='+', type=number_of_name, default=[], metavar='MODEL=MIOU', help='in %%, measured elsewhere')
    add('--from-json', nargs='+', default=[], metavar='FILE', help='time nothing; report and compare earlier runs')
    args = parser.parse_args()
    if args.from_json:
        used = {name for name, value in vars(args).items() if value != parser.get_default(name)}
        ignored = sorted(used - {'from_json', 'accuracy', 'markdown', 'plot'})
        if ignored:
            parser.error(f'--from-json times nothing, so it takes no {", ".join(ignored).replace("_", "-")}')
    args.sizes = tuple(dict.fromkeys(args.sizes))
    return args


def measured(args: argparse.Namespace) -> Iterator[dict[str, Results]]:
    """A new run, after each size."""
    from mmseg_bisenet_lite import benchmark

    settings = benchmark.Settings(
        device=benchmark.find_device(args.device),
        scopes=args.scope,
        precisions=args.precision,
        batch=args.batch,
        engines=args.engine,
        cuda_graph=args.cuda_graph,
        keep_memory=args.keep_memory,
    )
    benchmark.prepare(settings, args.threads)
    models = benchmark.load_models(args.configs, args.checkpoint, args.peers)
    benchmark.check_accuracies(dict(args.accuracy), [model.name for model in models])
    if args.exported and 'frame' not in args.scope:
        raise InputError('--exported: files go from frame to mask; add --scope frame')
    exported = benchmark.find_exported(args.exported, models, args.sizes, settings.device)
    plan = benchmark.Plan.lasting(args.seconds, args.half_width)
    with progress_bar('starting') as show:
        for results in benchmark.run(models, args.sizes, settings, plan, show, exported):
            benchmark.with_accuracy(results.rows, dict(args.accuracy))
            if args.json:
                results.save(args.json)
            yield {'this run': results}


def read(args: argparse.Namespace) -> dict[str, Results]:
    """Earlier runs."""
    from mmseg_bisenet_lite import benchmark

    runs = [benchmark.load(Path(file)) for file in args.from_json]
    benchmark.check_accuracies(dict(args.accuracy), [row.model for results in runs for row in results.rows])
    benchmark.with_accuracy([row for results in runs for row in results.rows], dict(args.accuracy))
    return dict(zip(benchmark.numbered([Path(file).stem for file in args.from_json]), runs, strict=True))


def show(args: argparse.Namespace, runs: dict[str, Results]) -> None:
    """Tables and pictures."""
    from mmseg_bisenet_lite import benchmark

    benchmark.print_report(runs)
    if args.markdown:
        with atomic_write(args.markdown) as temporary:
            temporary.write_text(benchmark.markdown_report(runs), encoding='utf-8')
    written = benchmark.plot(runs, args.plot) if args.plot else []
    for path in (args.json, args.markdown, *written):
        if path:
            print(f'Written: {path}')


def main() -> None:
    """Parse, time or read, print."""
    with one_line_errors():
        require_host()
        from mmseg_bisenet_lite.benchmark import check_picture

        args = parse_args()
        if args.plot:
            check_picture(args.plot)
        runs: dict[str, Results] = {}
        try:
            for so_far in [read(args)] if args.from_json else measured(args):
                runs = so_far
        except KeyboardInterrupt:
            raise KeyboardInterrupt('sizes that were not finished are left out') from None
        finally:  # what was measured is shown, whatever ended it
            if runs:
                show(args, runs)


if __name__ == '__main__':
    main()

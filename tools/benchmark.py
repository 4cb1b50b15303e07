"""Time segmentors side by side; without arguments, the paper's two networks at the paper's six sizes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mmseg_bisenet_lite.compat import require_host
from mmseg_bisenet_lite.utils import malloc
from mmseg_bisenet_lite.utils.arguments import count, number, number_of_name, output_file, size, some_of
from mmseg_bisenet_lite.utils.console import one_line_errors, progress_bar
from mmseg_bisenet_lite.utils.files import write_text
from mmseg_bisenet_lite.utils.tables import markdown_tables, print_tables

if TYPE_CHECKING:
    from mmseg_bisenet_lite.benchmark.inference import Results


def parse_args() -> argparse.Namespace:
    """The command line."""
    from mmseg_bisenet_lite.apis.peers import PEERS
    from mmseg_bisenet_lite.benchmark.inference import ENGINES, INFERENCE_MODEL, SCOPES, SIZES
    from mmseg_bisenet_lite.benchmark.measure import Plan
    from mmseg_bisenet_lite.utils.precision import PRECISIONS

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
    return args


def main() -> None:
    """Parse, time or read, print."""
    with one_line_errors():
        require_host()
        from mmseg_bisenet_lite.benchmark.inference import BenchmarkConfig, benchmark, check_picture, load_all

        args = vars(parse_args())
        outputs = {name: args.pop(name) for name in ('json', 'markdown', 'plot')}
        files = args.pop('from_json')
        if outputs['plot']:
            check_picture(outputs['plot'])
        runs: dict[str, Results] = {}
        try:
            if files:
                runs = load_all([Path(file) for file in files], dict(args['accuracy']))
            else:
                with progress_bar('starting') as say:
                    for results in benchmark(BenchmarkConfig(**args), say):
                        runs = {'this run': results}
                        if outputs['json']:
                            results.save(outputs['json'])
        except KeyboardInterrupt:
            raise KeyboardInterrupt('sizes that were not finished are left out') from None
        finally:  # what was measured is shown, whatever ended it
            if runs:
                show(runs, **outputs)


def show(runs: dict[str, Results], json: Path | None, markdown: Path | None, plot: Path | None) -> None:
    """Print the tables, and write them and the pictures."""
    from mmseg_bisenet_lite.benchmark.inference import plot as draw
    from mmseg_bisenet_lite.benchmark.inference import report

    tables, lines = report(runs)
    print_tables(tables, lines)
    if markdown:
        write_text(markdown, markdown_tables(tables, lines))
    for path in (json, markdown, *(draw(runs, plot) if plot else [])):
        if path:
            print(f'Written: {path}')


if __name__ == '__main__':
    main()

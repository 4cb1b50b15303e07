"""Time segmentors side by side. Without arguments, time the paper's two networks at the paper's six image sizes."""

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
    """Parse the command line."""
    from mmseg_bisenet_lite.apis.peers import PEERS
    from mmseg_bisenet_lite.benchmark.inference import ENGINES, INFERENCE_MODEL, METRIC, RUNTIMES, SCOPES, SIZES
    from mmseg_bisenet_lite.benchmark.measure import Plan
    from mmseg_bisenet_lite.utils.precision import PRECISIONS

    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument_group('what to time').add_argument
    add(
        'configs',
        nargs='*',
        default=[],
        metavar='CONFIG',
        help="config of a network; the first is the baseline (default: the paper's two networks, and lite-s)",
    )
    add('--checkpoint', nargs='+', default=[], metavar='FILE', help="weights of each CONFIG, or 'none' for random weights")
    add(
        '--exported',
        nargs='+',
        default=[],
        metavar='FILE',
        help='file that tools/export.py wrote from a --checkpoint given here; timed with --scope frame, at the --sizes that it '
        'accepts',
    )
    peers = ', '.join(PEERS)
    add(
        '--peers',
        nargs='?',
        const=list(PEERS),
        default=[],
        type=some_of(PEERS),
        metavar='NAME,...',
        help=f"time MMSegmentation's real-time networks too, with two-class heads: {peers} (without NAME: all of them)",
    )
    add('--sizes', nargs='+', type=size, default=SIZES, metavar='WxH', help="image sizes (default: the paper's six)")
    add(
        '--scope',
        type=some_of(SCOPES),
        default=['forward'],
        metavar='SCOPE,...',
        help='what a call covers. forward (default): from image tensor to score map, as in the paper; predict: from image '
        'tensor to mask; frame: from uint8 BGR frame to uint8 mask, both in host memory, as on a robot',
    )
    add = parser.add_argument_group('how to run it').add_argument
    add(
        '--precision',
        type=some_of(PRECISIONS),
        default=['fp32'],
        metavar='P,...',
        help=f'precision of weights and feature maps: {", ".join(PRECISIONS)} (default: fp32)',
    )
    engines = [*ENGINES, *RUNTIMES, INFERENCE_MODEL]
    add(
        '--engine',
        type=some_of(engines),
        default=['eager'],
        metavar='E,...',
        help=f'what runs the network. {", ".join(ENGINES)}: modes of PyTorch (default: eager); {", ".join(RUNTIMES)}: '
        f"these runtimes, with --scope frame; {INFERENCE_MODEL}: MMSegmentation's function of that name, with --scope frame",
    )
    add('--device', metavar='NAME', help='PyTorch device: cpu, cuda, cuda:1, ... (default: an accelerator if there is one)')
    add('--threads', type=count, metavar='N', help="number of CPU threads (default: PyTorch's choice)")
    add('--batch', type=count, default=1, metavar='N', help='number of images in one call (default: 1)')
    add(
        '--fuse',
        action='store_true',
        help='fold the batch norms into the convolutions, which runtimes and exported files always do',
    )
    add('--cuda-graph', action='store_true', help='record each call once as a CUDA graph and replay it (NVIDIA GPUs only)')
    keep = 'keep freed memory in the process, as PyTorch does on GPUs (default: on, where the C library is glibc)'
    add('--keep-memory', action=argparse.BooleanOptionalAction, default=malloc.can_keep(), help=keep)
    add = parser.add_argument_group('how long').add_argument
    add(
        '--seconds',
        type=number,
        default=Plan.seconds,
        metavar='S',
        help='time limit for each image size (default: %(default)s)',
    )
    sure = (
        'stop a size early once the 95 %% confidence interval of each speed ratio is within +-SHARE of the ratio '
        '(default: %(default)s)'
    )
    add('--half-width', type=number, default=Plan.half_width, metavar='SHARE', help=sure)
    add = parser.add_argument_group('where to write the results').add_argument
    add('--json', type=output_file, metavar='FILE', help='write all results, including raw times, after each size')
    add('--markdown', type=output_file, metavar='FILE', help='write the tables as Markdown')
    picture = 'draw FPS against image size; with --accuracy, draw accuracy against FPS in a second picture'
    add('--plot', type=output_file, metavar='FILE', help=picture)
    accuracy = 'accuracy of a model in %%, measured elsewhere, to show beside its speed; MODEL is its name in the tables'
    add('--accuracy', nargs='+', type=number_of_name, default=[], metavar='MODEL=PERCENT', help=accuracy)
    add('--metric', default=METRIC, metavar='NAME', help='name of what --accuracy gives (default: %(default)s)')
    earlier = 'time nothing; report and compare earlier runs, from the files that --json wrote'
    add('--from-json', nargs='+', default=[], metavar='FILE', help=earlier)
    args = parser.parse_args()
    if args.metric != METRIC and not args.accuracy:
        parser.error('--metric names what --accuracy gives: add it')
    if args.from_json:
        used = {name for name, value in vars(args).items() if value != parser.get_default(name)}
        ignored = sorted(used - {'from_json', 'accuracy', 'metric', 'markdown', 'plot'})
        if ignored:
            parser.error(f'--from-json times nothing: drop {", ".join(ignored).replace("_", "-")}')
    return args


def main() -> None:
    """Time or read the results, and print them."""
    with one_line_errors():
        require_host()
        from mmseg_bisenet_lite.benchmark.inference import BenchmarkConfig, benchmark, check_picture, load_all

        args = vars(parse_args())
        outputs = {name: args.pop(name) for name in ('json', 'markdown', 'plot', 'metric')}
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
        except KeyboardInterrupt as error:
            raise type(error)('the results leave out the unfinished size') from None
        finally:  # show what was measured, whatever ended it
            if runs:
                show(runs, **outputs)


def show(runs: dict[str, Results], json: Path | None, markdown: Path | None, plot: Path | None, metric: str) -> None:
    """Print the tables; write them and the pictures to the files given."""
    from mmseg_bisenet_lite.benchmark.inference import plot as draw
    from mmseg_bisenet_lite.benchmark.inference import report

    tables, lines = report(runs, metric)
    print_tables(tables, lines)
    if markdown:
        write_text(markdown, markdown_tables(tables, lines))
    for path in (json, markdown, *(draw(runs, plot, metric) if plot else [])):
        if path:
            print(f'Written: {path}')


if __name__ == '__main__':
    main()

"""Time a training: its loader and step against MMSegmentation's, and whole iterations by the number of workers."""

import argparse

from mmseg_bisenet_lite.compat import require_host
from mmseg_bisenet_lite.utils.arguments import count, number, output_file, positive, size, some_of
from mmseg_bisenet_lite.utils.console import one_line_errors, progress_bar
from mmseg_bisenet_lite.utils.files import write_text
from mmseg_bisenet_lite.utils.tables import markdown_tables, print_tables


def parse_args() -> argparse.Namespace:
    """The command line."""
    from mmengine.config import DictAction

    from mmseg_bisenet_lite.benchmark.measure import Plan
    from mmseg_bisenet_lite.benchmark.training import PARTS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', metavar='CONFIG')
    add = parser.add_argument_group('what to time').add_argument
    add('--cfg-options', nargs='+', action=DictAction, default={}, metavar='KEY=VALUE', help='changes to the config')
    add('--part', type=some_of(PARTS), default=list(PARTS), metavar='PART,...', help=f'{", ".join(PARTS)} (default: all)')
    add('--batch', type=positive, metavar='N', help="images (default: the config's)")
    add('--crop', type=size, metavar='WxH', help="of the images in a step (default: the config's; on a CPU 320x240)")
    add('--cache-dir', metavar='DIR', help='time the loader with a cache of decoded images too; it stays there')
    add('--workers', nargs='+', type=count, metavar='N', help='numbers of workers to try (default: 0, 1, 2, 4, ... cores)')
    add = parser.add_argument_group('how to run it').add_argument
    add('--device', metavar='NAME', help='cpu, cuda, cuda:1, ... (default: the best)')
    add('--threads', type=positive, metavar='N', help="of the CPU, for the step (default: PyTorch's)")
    add('--seconds', type=number, default=Plan.seconds, help='for each comparison, at most (default: %(default)s)')
    add('--half-width', type=number, default=Plan.half_width, help='stop once all ratios are this sure (default: %(default)s)')
    add = parser.add_argument_group('what becomes of it').add_argument
    add('--json', type=output_file, metavar='FILE', help='everything, raw times too')
    add('--markdown', type=output_file, metavar='FILE', help='the tables')
    return parser.parse_args()


def main() -> None:
    """Parse, time, print."""
    with one_line_errors():
        require_host()
        args = vars(parse_args())
        from mmseg_bisenet_lite.benchmark.training import TrainingBenchmarkConfig, report, run

        json, markdown = args.pop('json'), args.pop('markdown')
        with progress_bar('starting') as show:
            results = run(TrainingBenchmarkConfig(**args), show)
        tables, lines = report(results)
        print_tables(tables, lines)
        if json:
            results.save(json)
        if markdown:
            write_text(markdown, markdown_tables(tables, lines))
        for path in filter(None, (json, markdown)):
            print(f'Written: {path}')


if __name__ == '__main__':
    main()

"""Time a training: its data loader and step against MMSegmentation's, and whole iterations for several numbers of workers."""

import argparse

from mmseg_bisenet_lite.compat import require_host
from mmseg_bisenet_lite.utils.arguments import add_cfg_options, count, number, output_file, positive, size, some_of
from mmseg_bisenet_lite.utils.console import one_line_errors, progress_bar
from mmseg_bisenet_lite.utils.files import write_text
from mmseg_bisenet_lite.utils.tables import markdown_tables, print_tables


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    from mmengine.config import DictAction

    from mmseg_bisenet_lite.benchmark.measure import Plan
    from mmseg_bisenet_lite.benchmark.training import PARTS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', metavar='CONFIG', help='config of a training')
    add = parser.add_argument_group('what to time').add_argument
    add_cfg_options(add, 'change the config', action=DictAction, default={})
    add(
        '--part',
        type=some_of(PARTS),
        default=list(PARTS),
        metavar='PART,...',
        help=f'parts to time: {", ".join(PARTS)} (default: all)',
    )
    add('--batch', type=positive, metavar='N', help="number of images in a batch (default: the config's)")
    add(
        '--crop',
        type=size,
        metavar='WxH',
        help="image size in steps and iterations (default: the config's; on a CPU 320x240 if it crops)",
    )
    add('--cache-dir', metavar='DIR', help='time the loader with a cache of decoded images too; keep the cache in DIR')
    add(
        '--workers',
        nargs='+',
        type=count,
        metavar='N',
        help='numbers of workers to try (default: 0, 1, 2, 4, ... up to the cores)',
    )
    add = parser.add_argument_group('how to run it').add_argument
    add('--device', metavar='NAME', help='PyTorch device: cpu, cuda, cuda:1, ... (default: an accelerator if there is one)')
    add('--threads', type=positive, metavar='N', help="number of CPU threads of the step (default: PyTorch's choice)")
    add(
        '--seconds',
        type=number,
        default=Plan.seconds,
        metavar='S',
        help='time limit for each comparison (default: %(default)s)',
    )
    sure = (
        'stop early once the 95 %% confidence interval of each speed ratio is within +-SHARE of the ratio '
        '(default: %(default)s)'
    )
    add('--half-width', type=number, default=Plan.half_width, metavar='SHARE', help=sure)
    add = parser.add_argument_group('where to write the results').add_argument
    add('--json', type=output_file, metavar='FILE', help='write all results, including raw times')
    add('--markdown', type=output_file, metavar='FILE', help='write the tables as Markdown')
    args = parser.parse_args()
    for name, parts in (('crop', PARTS[1:]), ('threads', PARTS[1:]), ('cache_dir', PARTS[:1]), ('workers', PARTS[2:])):
        if getattr(args, name) is not None and not set(parts) & set(args.part):
            parser.error(f'--{name.replace("_", "-")} is for --part {",".join(parts)}: add it, or drop the option')
    return args


def main() -> None:
    """Time the training and print the results."""
    with one_line_errors():
        require_host()
        args = vars(parse_args())
        from mmseg_bisenet_lite.benchmark.training import TrainingBenchmarkConfig, report, run

        json, markdown = args.pop('json'), args.pop('markdown')
        results = None
        try:
            with progress_bar('starting') as show:
                for results in run(TrainingBenchmarkConfig(**args), show):  # noqa: B007
                    pass
        except KeyboardInterrupt as error:
            raise type(error)('the results leave out what was not finished') from None
        finally:  # show what was measured, whatever ended it
            if results is not None:
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

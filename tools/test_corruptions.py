"""Test a checkpoint on its test set, clean and corrupted: dark, bright, blurred, moved, noisy, in rain, compressed."""

import argparse
from dataclasses import asdict
from pathlib import Path

from mmseg_bisenet_lite.compat import require_host
from mmseg_bisenet_lite.utils.arguments import add_cfg_options, add_threshold, count, path, some_of
from mmseg_bisenet_lite.utils.console import one_line_errors, progress_bar


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    from mmseg_bisenet_lite.datasets.transforms.corruption import KINDS

    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('config', metavar='CONFIG', help='config of the segmentor')
    add('checkpoint', metavar='CHECKPOINT', help='weights (.pth or bisenet-lite://NAME), or a file that tools/export.py wrote')
    kinds = f'corruptions to test, each at two strengths (default: {",".join(KINDS)})'
    add('--kinds', type=some_of(KINDS), default=list(KINDS), metavar='NAME,...', help=kinds)
    add_threshold(parser, "0; an exported file's own")
    add(
        '--seed', type=count, default=0, metavar='N', help='seed of noise and rain; the same gives the same pixels (default: 0)'
    )
    out = "folder for the tables and logs (default: work_dirs/corruptions/ and the config's name)"
    add('--out', type=path, metavar='DIR', help=out)
    add_cfg_options(add, 'change the config', action='extend', default=[])
    return parser.parse_args()


def main() -> None:
    """Test, print the table and write it."""
    with one_line_errors():
        require_host()
        from mmseg.utils import register_all_modules

        from mmseg_bisenet_lite import __version__
        from mmseg_bisenet_lite.apis.corruptions import library_versions, report, scores_under_corruptions
        from mmseg_bisenet_lite.apis.host_tools import config_of_test
        from mmseg_bisenet_lite.utils.checkout import made_with
        from mmseg_bisenet_lite.utils.tables import print_tables, save_tables

        args = parse_args()
        register_all_modules()
        config = config_of_test(args.config, args.checkpoint, args.threshold, args.cfg_options)
        out = args.out or Path('work_dirs') / 'corruptions' / Path(args.config).stem
        with progress_bar('loading') as show:
            results = scores_under_corruptions(config, args.checkpoint, out, args.kinds, args.seed, show)
        table = report(results)
        versions = {**made_with(__version__), **library_versions(args.kinds)}
        lines = [
            f'{args.checkpoint} with {args.config}, threshold: {args.threshold or "the default"}, seed {args.seed}',
            'Sizes are in pixels of the photographs as they are loaded',
            f'Tested with {", ".join(f"{name} {value}" for name, value in versions.items())}',
        ]
        print_tables([table], lines)
        given = {name: value for name, value in vars(args).items() if name not in ('out', 'kinds')}
        written = {**given, 'made_with': versions, 'results': [asdict(result) for result in results]}
        save_tables(out, written, [table], lines)
        print(f'Written: results.md, results.json in {out}')


if __name__ == '__main__':
    main()

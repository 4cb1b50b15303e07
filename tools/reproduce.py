"""Reproduce the paper's Table 6: train a grid of networks, losses and targets, and print it beside the paper's numbers.

Run the same command again to continue: finished trainings are kept, and an interrupted one is resumed.
"""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from mmseg_bisenet_lite.compat import require_host
from mmseg_bisenet_lite.utils.arguments import add_cfg_options, path, positive
from mmseg_bisenet_lite.utils.console import one_line_errors, progress_bar


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('--dataset', choices=('camvid', 'cityscapes', 'toy'), default='camvid', help='data set to train on (default: camvid)')
    add(
        '--protocol',
        choices=('val', 'drives'),
        default='val',
        help="val (default): train on train, test on val; CamVid's val is of one drive, from which more than half of train is "
        "too, so its scores flatter. drives: leave each drive of CamVid's train and val out of a training of its own, which is "
        'tested on that drive',
    )
    add(
        '--grid',
        default='lite,r18 x ce,hinge x human,vehicle',
        metavar='"NETWORKS x LOSSES x TARGETS"',
        help='trainings to run: each network with each loss for each target. Networks: lite, lite-tuned, lite-shared, lite-n, '
        'lite-s, lite-m, r18, or a peer of tools/benchmark.py, with its own loss; losses: ce, hinge; targets: human, vehicle '
        '(default: "%(default)s")',
    )
    add('--seeds', type=positive, default=3, metavar='N', help='train with each of the seeds 0 to N-1 (default: 3)')
    add('--iters', type=positive, metavar='N', help="number of iterations of each training (default: the config's)")
    add('--jobs', type=positive, default=1, metavar='N', help='number of trainings that run side by side (default: 1)')
    out = 'folder for trainings and tables (default: work_dirs/reproduce/DATASET, or DATASET-drives); the tables show the last '
    out += '--grid only'
    add('--out', type=path, metavar='DIR', help=out)
    add_cfg_options(add, 'change every config', action=DictAction, default={})
    return parser.parse_args()


def main() -> None:
    """Train the grid and print the results."""
    with one_line_errors():
        require_host()
        from mmseg_bisenet_lite.reproduce import draw, drives_of, mean_over_drives, parse_grid, report, reproduce, runs_of
        from mmseg_bisenet_lite.utils.tables import print_tables, save_tables

        args = parse_args()
        drives = drives_of(args.dataset, args.protocol)
        runs = runs_of(parse_grid(args.grid), args.seeds, drives)
        name = args.dataset if args.protocol == 'val' else f'{args.dataset}-{args.protocol}'
        out = args.out or Path('work_dirs') / 'reproduce' / name
        with progress_bar('reading the configs') as show:
            done, failed = reproduce(runs, args.dataset, out, args.iters, args.cfg_options, show, args.jobs)
        tables, lines = report(done, failed, args.dataset, args.protocol)
        print_tables(tables, lines)
        save_tables(out, [asdict(result) for result in done], tables, lines)
        if means := mean_over_drives(done, drives):
            draw(means, args.dataset, out / 'curves.png', args.protocol)
        print(f'Written: results.md, results.json{", curves.png" if means else ""} in {out}')
    if failed:
        sys.exit(1)


if __name__ == '__main__':
    main()

"""Reproduce the paper's Table 6: train a grid of networks, losses and targets, and print it beside the paper's numbers.

Finished trainings are not run again, one that was cut off is resumed: the same command goes on where it stopped.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from mmseg_bisenet_lite.compat import require_host
from mmseg_bisenet_lite.utils.arguments import positive
from mmseg_bisenet_lite.utils.console import one_line_errors, progress_bar


def parse_args() -> argparse.Namespace:
    """The command line."""
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('--dataset', choices=('camvid', 'cityscapes', 'toy'), default='camvid', help='(default: camvid)')
    add(
        '--grid',
        default='lite,r18 x ce,hinge x human,vehicle',
        metavar='"NETWORKS x LOSSES x TARGETS"',
        help='(default: "%(default)s"); of the networks, the names of the benchmark\'s peers too, which keep their own loss',
    )
    add('--seeds', type=positive, default=3, metavar='N', help='0 to N-1 (default: 3)')
    add('--iters', type=positive, metavar='N', help="of each training (default: the configs')")
    add('--out', type=Path, metavar='DIR', help='(default: work_dirs/reproduce/DATASET); its tables are of the last grid')
    add('--cfg-options', nargs='+', action=DictAction, default={}, metavar='KEY=VALUE', help='changes of every config')
    return parser.parse_args()


def main() -> None:
    """Parse, train, print."""
    with one_line_errors():
        require_host()
        from mmseg_bisenet_lite.reproduce import draw, parse_grid, report, reproduce, runs_of
        from mmseg_bisenet_lite.utils.files import write_text
        from mmseg_bisenet_lite.utils.tables import markdown_tables, print_tables

        args = parse_args()
        runs = runs_of(parse_grid(args.grid), args.seeds)
        out = args.out or Path('work_dirs') / 'reproduce' / args.dataset
        with progress_bar('reading the configs') as show:
            done, failed = reproduce(runs, args.dataset, out, args.iters, args.cfg_options, show)
        tables, lines = report(done, failed, args.dataset)
        print_tables(tables, lines)
        write_text(out / 'results.json', json.dumps([asdict(result) for result in done], indent=1) + '\n')
        write_text(out / 'results.md', markdown_tables(tables, lines))
        if done:
            draw(done, args.dataset, out / 'curves.png')
        print(f'Written: results.md, results.json{", curves.png" if done else ""} in {out}')
    if failed:
        sys.exit(1)


if __name__ == '__main__':
    main()

"""Search for a network: train configs alike, test them on drives left out, time them side by side, and draw the front.

Run the same command again to continue: finished trainings are kept, and an interrupted one is resumed.
"""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from mmseg_bisenet_lite.compat import require_host
from mmseg_bisenet_lite.utils.arguments import add_cfg_options, count, number, path, positive, size, some_of
from mmseg_bisenet_lite.utils.console import one_line_errors, progress_bar


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    from mmengine.config import DictAction

    from mmseg_bisenet_lite.benchmark.inference import RUNTIMES
    from mmseg_bisenet_lite.search import PRECISIONS, SearchConfig

    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add(
        'configs',
        nargs='+',
        metavar='CONFIG',
        help='config of a candidate, which learns both targets of CamVid in one training, as '
        "configs/camvid/lite-shared_hinge_vehicle.py; speeds are compared with the first one's",
    )
    add('--seeds', type=positive, default=SearchConfig.seeds, metavar='N', help='train with seeds 0 to N-1 (default: 2)')
    add('--iters', type=positive, metavar='N', help="number of iterations of each training (default: the config's)")
    add(
        '--jobs',
        type=positive,
        default=SearchConfig.jobs,
        metavar='N',
        help='number of trainings that run side by side (default: 1)',
    )
    engines = f'runtimes to time: {", ".join(RUNTIMES)} (default: both)'
    add('--engine', type=some_of(RUNTIMES), default=SearchConfig.engine, metavar='E,...', help=engines)
    precision = (
        f'precisions to time: {", ".join(PRECISIONS)}; int8 is exported from a training of each candidate (default: fp32)'
    )
    add('--precision', type=some_of(PRECISIONS), default=SearchConfig.precision, metavar='P,...', help=precision)
    add('--size', type=size, default=SearchConfig.size, metavar='WxH', help='size of the frames (default: 640x360)')
    add('--threads', type=count, metavar='N', help="number of CPU threads while timing (default: PyTorch's choice)")
    seconds = 'time limit for the timing (default: %(default)s)'
    add('--seconds', type=number, default=SearchConfig.seconds, metavar='S', help=seconds)
    out = Path('work_dirs') / 'search'
    add('--out', type=path, default=out, metavar='DIR', help='folder for trainings and tables (default: %(default)s)')
    add_cfg_options(add, 'change every config', action=DictAction, default={})
    return parser.parse_args()


def main() -> None:
    """Search, and print what was found."""
    with one_line_errors():
        require_host()
        args = parse_args()
        from mmseg_bisenet_lite.search import SearchConfig, draw, report, search
        from mmseg_bisenet_lite.utils.tables import print_tables, save_tables

        with progress_bar('reading the configs') as show:
            found = search(SearchConfig(**vars(args)), show)
        tables, lines = report(found.results, found.speeds, found.failures)
        print_tables(tables, lines)
        save_tables(args.out, [asdict(result) for result in found.results], tables, lines)
        if found.speeds:
            draw(found.results, found.speeds, args.out / 'front.png')
        print(f'Written: results.md, results.json{", speed.json, front.png" if found.speeds else ""} in {args.out}')
    if found.failures:
        sys.exit(1)


if __name__ == '__main__':
    main()

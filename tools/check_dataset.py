"""Check a data set before it costs a training: files, masks, foreground, duplicates, and splits of one recording."""

import argparse
import sys
from pathlib import Path

from mmseg_bisenet_lite.compat import require_host
from mmseg_bisenet_lite.utils.arguments import path, positive
from mmseg_bisenet_lite.utils.console import one_line_errors, progress_bar


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    what = 'config whose train, val and test sets are checked; or a folder with train, trainannot, val and valannot'
    add('source', type=path, metavar='CONFIG|DIR', help=what)
    out = 'folder for findings.json, findings.csv and a contact sheet of each split (default: nothing is written)'
    add('--out', type=path, metavar='DIR', help=out)
    add('--workers', type=positive, metavar='N', help='threads that read files (default: one for each CPU)')
    similar = 'do not look for photographs that are nearly the same, which needs ImageHash, nor for splits of one recording'
    add('--no-similar', dest='similar', action='store_false', help=similar)
    return parser.parse_args()


def main() -> None:
    """Check the data set and print the findings."""
    with one_line_errors():
        require_host()
        from mmseg_bisenet_lite.dataset_check import CheckConfig, check_dataset, report
        from mmseg_bisenet_lite.utils.tables import print_tables

        given = {name: value for name, value in vars(parse_args()).items() if value is not None}
        with progress_bar('loading') as show:
            result, written = check_dataset(CheckConfig(**given), show)
        print_tables(*report(result))
        if written:
            print(f'Written: {", ".join(written)} in {Path(given["out"])}')
    if result.failed:
        sys.exit(1)


if __name__ == '__main__':
    main()

"""Make weights to give away of a checkpoint: half precision, safetensors, with what they scored and their best threshold."""

import argparse
from pathlib import Path

from mmseg_bisenet_lite.compat import require_host
from mmseg_bisenet_lite.utils.arguments import output_file
from mmseg_bisenet_lite.utils.console import one_line_errors


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', metavar='CONFIG', help='that the checkpoint was trained with')
    parser.add_argument('checkpoint', metavar='CHECKPOINT')
    parser.add_argument('file', type=output_file, metavar='FILE.safetensors')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/publish'), help='for the log (default: %(default)s)')
    return parser.parse_args()


def main() -> None:
    """Parse, publish, print."""
    with one_line_errors():
        require_host()
        from mmseg.utils import register_all_modules

        from mmseg_bisenet_lite.apis.publish import publish

        args = parse_args()
        register_all_modules()
        metrics = publish(args.config, args.checkpoint, args.file, args.work_dir)
    print(f'{args.file}, {args.file.stat().st_size / 1e6:.1f} MB: {metrics}')


if __name__ == '__main__':
    main()

"""Turn a checkpoint into weights to give away: half precision, safetensors, with test scores, threshold and calibration."""

import argparse
from pathlib import Path

from mmseg_bisenet_lite.compat import require_host
from mmseg_bisenet_lite.utils.arguments import output_file, path
from mmseg_bisenet_lite.utils.console import one_line_errors


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    config = (
        "config that the checkpoint was trained with, or with --head that of the head's target; one that comes with the package"
    )
    parser.add_argument('config', metavar='CONFIG', help=config)
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='checkpoint to publish, or published weights to test anew')
    parser.add_argument('file', type=output_file, metavar='FILE.safetensors', help='output file; its folder must exist')
    head = 'head of the checkpoint that finds what CONFIG is for, such as auxiliary_head.0 (default: %(default)s)'
    parser.add_argument('--head', default='decode_head', metavar='HEAD', help=head)
    work_dir = 'folder for the log of the test (default: %(default)s)'
    parser.add_argument('--work-dir', type=path, default=Path('work_dirs/publish'), metavar='DIR', help=work_dir)
    return parser.parse_args()


def main() -> None:
    """Publish the checkpoint and print its scores."""
    with one_line_errors():
        require_host()
        from mmseg.utils import register_all_modules

        from mmseg_bisenet_lite.apis.publish import publish

        args = parse_args()
        register_all_modules()
        metrics = publish(args.config, args.checkpoint, args.file, args.work_dir, args.head)
        print(f'{args.file}, {args.file.stat().st_size / 1e6:.1f} MB: {metrics}')


if __name__ == '__main__':
    main()

"""Render a small street data set in Cityscapes' layout, to try the package without a Cityscapes account."""

import argparse

from mmseg_bisenet_lite.datasets.toy import write_toy_cityscapes
from mmseg_bisenet_lite.utils.arguments import count, path, size
from mmseg_bisenet_lite.utils.console import one_line_errors


def main() -> None:
    """Render the data set and print what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('out', type=path, metavar='FOLDER', help='folder to write the data set to')
    parser.add_argument('--size', type=size, default=(384, 192), metavar='WxH', help='size of the images (default: 384x192)')
    parser.add_argument('--train', type=count, default=128, metavar='N', help='number of training images (default: 128)')
    parser.add_argument('--val', type=count, default=24, metavar='N', help='number of validation images (default: 24)')
    parser.add_argument(
        '--seed', type=count, default=0, metavar='N', help='random seed; the same seed gives the same files (default: 0)'
    )
    with one_line_errors():
        args = parser.parse_args()
        from rich.progress import track  # here, so that Ctrl-C during imports is handled first

        written = write_toy_cityscapes(
            args.out,
            size=args.size,
            images=(args.train, args.val),
            seed=args.seed,
            progress=lambda tasks: track(tasks, 'Rendering'),
        )
        print(f'{args.out}: {args.train} training and {args.val} validation images{"" if written else " (already there)"}')


if __name__ == '__main__':
    main()

"""Convert annotations of labelme, CVAT or COCO, or folders of images and masks, to a data set with a config."""

import argparse

from mmseg_bisenet_lite.conversion.convert import ConvertConfig, convert
from mmseg_bisenet_lite.utils.arguments import number, path
from mmseg_bisenet_lite.utils.console import one_line_errors, progress_bar


def share_or_pattern(text: str) -> float | str:
    """``argparse`` type of ``--val``: a share between 0 and 1, or a pattern of names."""
    try:
        share = float(text)
    except ValueError:
        return text
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f'{text}: give a share between 0 and 1, or a pattern of names')
    return share


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    source = (
        'annotations: a folder of labelme, annotations.xml of CVAT, a JSON file of COCO, or a folder with one of these; or a '
        'folder with images/ and masks/'
    )
    add('source', type=path, metavar='SOURCE', help=source)
    add('--out', type=path, required=True, metavar='DIR', help='folder to write; it must not exist, or be empty')
    foreground = 'labels of the foreground; of masks, values or colours such as 255 or #ff0000 (default: found out)'
    add('--foreground', nargs='+', default=(), metavar='LABEL', help=foreground)
    add('--background', nargs='+', default=(), metavar='LABEL', help='the same of the background; rest: all others')
    add('--ignore', nargs='+', default=(), metavar='LABEL', help='the same of pixels that do not count')
    add('--name', metavar='NAME', help='name of the class (default: the first label of the foreground)')
    add(
        '--val',
        type=share_or_pattern,
        default=0.2,
        metavar='SHARE',
        help="share of val, or names such as 'drive3_*' (default: 0.2)",
    )
    add('--images', type=path, metavar='DIR', help='folder of the images, if it is not where the annotations say')
    add('--masks', type=path, metavar='DIR', help='folder of the masks of the images in SOURCE')
    add('--line-width', type=number, metavar='PIXELS', help='width of what is annotated with lines')
    add(
        '--skip-empty',
        action='store_true',
        help='leave out images whose annotation has no shape (default: they are background)',
    )
    return parser.parse_args()


def main() -> None:
    """Convert, and print what was written."""
    with one_line_errors():
        args = parse_args()
        with progress_bar('reading') as progress:
            lines = convert(ConvertConfig(**vars(args)), progress)
        print('\n'.join(lines))


if __name__ == '__main__':
    main()

"""Export a trained segmentor for robots, and prove each file's masks against MMSegmentation's before it gets its name."""

import argparse
import sys
from pathlib import Path

from mmseg_bisenet_lite.compat import require_host
from mmseg_bisenet_lite.utils.arguments import positive, size, some_of
from mmseg_bisenet_lite.utils.console import one_line_errors, progress_bar


def parse_args() -> argparse.Namespace:
    """The command line."""
    from mmseg_bisenet_lite.export import DTYPES, FORMATS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', metavar='CONFIG')
    parser.add_argument('checkpoint', metavar='CHECKPOINT')
    add = parser.add_argument_group('the files').add_argument
    for option, names, default in (('--format', FORMATS, 'onnx'), ('--precision', DTYPES, 'fp32')):
        what = f'{", ".join(names)} (default: {default})'
        add(option, type=some_of(names), default=[default], metavar='NAME,...', help=what)
    add(
        '--size',
        type=lambda text: None if text == 'dynamic' else size(text),
        required=True,
        metavar='WxH|dynamic',
        help='of the frames',
    )
    add(
        '--batch',
        type=lambda text: None if text == 'dynamic' else positive(text),
        default=1,
        metavar='N|dynamic',
        help='frames in one run of the graph (default: 1)',
    )
    add(
        '--threshold',
        metavar='best|NUMBER',
        help="margin above which a pixel is foreground; best is the checkpoint's (default: 0)",
    )
    add('--margin', action='store_true', help='give the margin of the scores too, float32, beside the mask')
    add('--out', type=Path, required=True, metavar='DIR', help='folder for the files and their reports')
    add = parser.add_argument_group('the comparison with MMSegmentation, and the calibration of int8').add_argument
    add(
        '--frames',
        default='val',
        metavar='SOURCE',
        help="val, the config's val set (default); a folder of images; or renders, drawn streets. int8 is calibrated on the "
        "config's train set, or on other renders",
    )
    add('--limit', type=positive, metavar='N', help='compare on the first N frames (default: all)')
    add('--device', help="that the files run on for it, in the runtime's words (default: CPU; TensorRT: the first GPU)")
    return parser.parse_args()


def main() -> None:
    """Parse, export, print."""
    with one_line_errors():
        require_host()
        from mmseg_bisenet_lite.export import ExportConfig, export, lines, save, table
        from mmseg_bisenet_lite.utils.tables import print_tables

        wanted = ExportConfig(**vars(parse_args()))
        with progress_bar('loading') as show:
            results = export(wanted, show)
        print_tables([table(results)], lines(results))
        for result in results:
            save(result)
            print(f'Written: {"only the report of " if result.failure else ""}{result.file}')
        print('Beside each: .report.md, .report.json, and the worst frame, .worst.png')
    if any(result.failure for result in results):
        sys.exit(1)


if __name__ == '__main__':
    main()

"""Export a trained segmentor for robots. Each file is checked against MMSegmentation's masks before it is saved."""

import argparse
import sys

from mmseg_bisenet_lite.compat import require_host
from mmseg_bisenet_lite.utils.arguments import add_threshold, path, positive, size, some_of
from mmseg_bisenet_lite.utils.console import one_line_errors, progress_bar


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    from mmseg_bisenet_lite.export import DTYPES, FORMATS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', metavar='CONFIG', help='config of the segmentor')
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='weights: a .pth file or bisenet-lite://NAME')
    group = parser.add_argument_group('what to export')
    add = group.add_argument
    for option, names, default in (('--format', FORMATS, 'onnx'), ('--precision', DTYPES, 'fp32')):
        what = f'write one file for each {option[2:]} given: {", ".join(names)} (default: {default})'
        add(option, type=some_of(names), default=[default], metavar='NAME,...', help=what)
    add(
        '--size',
        type=lambda text: None if text == 'dynamic' else size(text),
        required=True,
        metavar='WxH|dynamic',
        help='size of the frames; dynamic accepts any size',
    )
    add(
        '--batch',
        type=lambda text: None if text == 'dynamic' else positive(text),
        default=1,
        metavar='N|dynamic',
        help='number of frames in one run of the file; dynamic accepts any number (default: 1)',
    )
    add_threshold(group, '0')
    add(
        '--margin',
        action='store_true',
        help='add a second output, the margin: foreground score minus background score, minus the threshold; float32',
    )
    add('--out', type=path, required=True, metavar='DIR', help='folder to write the files and their reports to')
    add = parser.add_argument_group('check against MMSegmentation, and calibration of int8').add_argument
    add(
        '--frames',
        default='val',
        metavar='SOURCE',
        help="frames to compare the masks on. val: the config's val set (default); renders: rendered street scenes; or a "
        "folder of images. int8 is calibrated on the config's train set; with renders, on other rendered scenes",
    )
    add('--limit', type=positive, metavar='N', help='compare on the first N frames only (default: all)')
    device = 'device for the check: cpu; GPU for OpenVINO; cuda:0 for ONNX (default: the CPU; for TensorRT the first GPU)'
    add('--device', metavar='NAME', help=device)
    return parser.parse_args()


def main() -> None:
    """Export the segmentor and print the results."""
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

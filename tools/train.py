"""Train a segmentor: MMSegmentation's own tools/train.py and its options, with this package loaded."""

import sys

from mmseg_bisenet_lite.cli import need_host, one_line_errors, run_host_tool

if __name__ == '__main__':
    with one_line_errors():
        need_host()
        from mmseg_bisenet_lite.optim_wrapper import without_amp

        sys.argv[1:] = without_amp(sys.argv[1:])
    run_host_tool('train')

"""Test a segmentor, or an exported file: MMSegmentation's own tools/test.py and its options, with this package loaded.

And one option more: --threshold best|NUMBER, the margin above which a pixel is foreground; best is the checkpoint's own.
"""

import sys

from mmseg_bisenet_lite.cli import need_host, one_line_errors, run_host_tool

if __name__ == '__main__':
    with one_line_errors():
        need_host()
        from mmseg_bisenet_lite.evaluation.threshold import with_threshold
        from mmseg_bisenet_lite.exported import with_exported_model

        sys.argv[1:] = with_threshold(with_exported_model(sys.argv[1:]))
    run_host_tool('test')

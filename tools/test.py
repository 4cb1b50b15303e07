"""Test a segmentor: MMSegmentation's own tools/test.py and its options, with this package loaded."""

from mmseg_bisenet_lite.cli import run_host_tool

if __name__ == '__main__':
    run_host_tool('test')

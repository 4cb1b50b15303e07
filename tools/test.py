"""Test a checkpoint or an exported file: run MMSegmentation's tools/test.py with its options, --threshold and --recall."""

from mmseg_bisenet_lite.compat import require_host
from mmseg_bisenet_lite.utils.console import one_line_errors

if __name__ == '__main__':
    with one_line_errors():
        require_host()
        from mmseg_bisenet_lite.apis.host_tools import run_host_tool

        run_host_tool('test')

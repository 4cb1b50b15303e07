"""Try networks in the browser: ``python -m mmseg_bisenet_lite.deploy.demo [MODEL ...]``."""

from mmseg_bisenet_lite.deploy.demo.cli import main

if __name__ == '__main__':
    main()

"""Run weights or an exported file on frames: ``python -m mmseg_bisenet_lite.deploy MODEL SOURCE --out DIR``."""

from mmseg_bisenet_lite.deploy.predict.cli import main

if __name__ == '__main__':
    main()

"""Segment images, folders, videos, streams and cameras, and write masks, painted frames and more."""

from mmseg_bisenet_lite.deploy.predict.cli import main

if __name__ == '__main__':
    main()

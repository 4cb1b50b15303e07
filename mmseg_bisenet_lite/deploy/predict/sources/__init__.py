"""Frames to segment: from images, folders, lists, videos, streams and cameras."""

from mmseg_bisenet_lite.deploy.predict.sources.finding import Inputs, find
from mmseg_bisenet_lite.deploy.predict.sources.images import Images
from mmseg_bisenet_lite.deploy.predict.sources.sets import sources_in, sources_of
from mmseg_bisenet_lite.deploy.predict.sources.video import Video

__all__ = ['Images', 'Inputs', 'Video', 'find', 'sources_in', 'sources_of']

"""Predict: run a Segmenter on images, videos, streams and cameras, and write what was asked for."""

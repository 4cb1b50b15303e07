"""Trained weights that come with the package, by name; :mod:`.models` makes networks of them."""

from mmseg_bisenet_lite.deploy.segmenter import SCHEME
from mmseg_bisenet_lite.pretrained.weights import load_from_safetensors, names, save_weights, weights_file

__all__ = ['SCHEME', 'load_from_safetensors', 'names', 'save_weights', 'weights_file']

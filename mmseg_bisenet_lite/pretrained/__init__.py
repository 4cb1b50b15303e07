"""Trained weights that come with the package, by name; :mod:`.models` makes networks of them."""

from mmseg_bisenet_lite.pretrained.weights import SCHEME, load_weights, names, save_weights, weights_file

__all__ = ['SCHEME', 'load_weights', 'names', 'save_weights', 'weights_file']

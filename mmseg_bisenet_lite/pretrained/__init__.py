"""Trained weights that come with the package, and checkpoints by name.

:mod:`.names` finds the files, :mod:`.weights` reads and writes them, :mod:`.loading` builds networks from them.
"""

from mmseg_bisenet_lite.pretrained.names import SCHEME, checkpoint_file, names, sha256_of

__all__ = ['SCHEME', 'checkpoint_file', 'names', 'sha256_of']

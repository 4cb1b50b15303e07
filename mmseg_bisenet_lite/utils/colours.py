"""Colours for lines in pictures that colour-blind people can tell apart."""

# Source: https://jfly.uni-koeln.de/color/
COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000')

"""A page in the browser to try networks on: drop an image or a short video, see mask, overlay and confidence."""

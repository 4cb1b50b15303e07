"""From the exports of annotation tools, and from folders of images and masks, to what BinaryMaskDataset reads."""

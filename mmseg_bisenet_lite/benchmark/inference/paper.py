"""The paper's speeds."""

# Frames per second with ResNet-18 and with the lite context path, by device and by (width, height) in pixels. Measured in
# PyTorch with batch 1, from image to score map. Source: the paper's Tables 2 to 5.
SPEEDS = {
    'RTX 2080 Ti': {
        (1024, 1024): (66.51, 75.23),
        (1280, 720): (70.69, 84.06),
        (800, 800): (98.0, 119.76),
        (600, 600): (163.91, 215.61),
        (640, 360): (216.37, 305.89),
        (400, 400): (269.58, 353.59),
    },
    'RTX 2070': {
        (1024, 1024): (50.40, 59.15),
        (1280, 720): (56.17, 66.31),
        (800, 800): (77.46, 93.85),
        (600, 600): (125.04, 166.26),
        (640, 360): (184.59, 251.26),
        (400, 400): (237.61, 315.24),
    },
    'Jetson TX2': {
        (1024, 1024): (3.98, 5.02),
        (1280, 720): (4.32, 5.58),
        (800, 800): (5.71, 7.69),
        (600, 600): (9.7, 13.36),
        (640, 360): (14.71, 21.05),
        (400, 400): (18.82, 26.42),
    },
    'AGX Xavier': {
        (1024, 1024): (11.58, 15.32),
        (1280, 720): (12.23, 16.96),
        (800, 800): (16.38, 23.40),
        (600, 600): (26.78, 40.12),
        (640, 360): (40.13, 60.66),
        (400, 400): (52.42, 77.83),
    },
}

# The paper's sizes, (width, height) in pixels.
SIZES = tuple(SPEEDS['RTX 2080 Ti'])


def ratio(device: str, size: tuple[int, int]) -> float | None:
    """Return the speed of lite relative to ResNet-18 on one of the paper's devices; ``None`` for a size that was not timed."""
    speeds = SPEEDS[device].get(size)
    return speeds and speeds[1] / speeds[0]

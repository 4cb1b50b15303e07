import numpy as np
import pytest
from mmseg.registry import TRANSFORMS
from scipy import stats


def distorted(kind, image, seed, **options):
    """The image, and the next number, which tells whether as many were drawn."""
    transform = TRANSFORMS.build(dict(type=kind, **options))
    np.random.seed(seed)
    return transform(dict(img=image.copy()))['img'], np.random.random()


@pytest.fixture
def image():
    """Every hue, saturation and brightness."""
    return np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)


def test_the_same_seed_distorts_as_the_host_does(image):
    for seed in range(60):
        (ours, ours_next), (hosts, hosts_next) = (
            distorted(kind, image, seed) for kind in ('FastPhotoMetricDistortion', 'PhotoMetricDistortion')
        )
        assert ours_next == hosts_next
        difference = np.abs(ours.astype(int) - hosts)
        assert difference.mean() < 0.75, seed  # one rounding less
        assert np.percentile(difference, 99) <= 4, seed
        assert ours.dtype == np.uint8


def test_brightness_and_contrast_are_the_same_to_the_bit(image):
    options = dict(saturation_range=(1.0, 1.0), hue_delta=1)
    grey = np.repeat(image[..., :1], 3, axis=-1)  # neither saturation nor hue changes a grey
    changed = 0
    for seed in range(40):
        ours, hosts = (
            distorted(kind, grey, seed, **options)[0] for kind in ('FastPhotoMetricDistortion', 'PhotoMetricDistortion')
        )
        assert np.array_equal(ours, hosts)
        changed += not np.array_equal(ours, grey)
    assert changed > 20


def test_what_is_not_uint8_is_left_to_the_host(image):
    for seed in range(8):
        ours, hosts = (
            distorted(kind, image.astype(np.float32), seed) for kind in ('FastPhotoMetricDistortion', 'PhotoMetricDistortion')
        )
        assert np.array_equal(ours[0], hosts[0])
        assert ours[1] == hosts[1]


def test_the_distributions_are_the_hosts(image):
    # Of independent draws: mean and spread of each channel.
    def statistics(kind, seeds):
        images = [distorted(kind, image, seed)[0] for seed in seeds]
        return np.array([[*i.mean((0, 1)), *i.std((0, 1))] for i in images])

    ours = statistics('FastPhotoMetricDistortion', range(1000, 1400))
    hosts = statistics('PhotoMetricDistortion', range(2000, 2400))
    for column in range(6):
        assert stats.ks_2samp(ours[:, column], hosts[:, column]).pvalue > 1e-3
    # The test can tell: half of the contrast's range is another distribution.
    other = np.array(
        [distorted('FastPhotoMetricDistortion', image, s, contrast_range=(0.9, 1.1))[0].std() for s in range(1000, 1400)]
    )
    assert stats.ks_2samp(other, ours[:, 3:].mean(1)).pvalue < 1e-3

from mmseg_bisenet_lite.deploy.predict.meter import Meter


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def metered(**seconds):
    clock = Clock()
    meter = Meter(clock)
    for stage, length in seconds.items():
        with meter.spent(stage):
            clock.now += length
    return meter


def test_the_bottleneck_is_what_the_network_waits_for():
    assert metered(reading=0.5, network=9.0, writing=0.3).bottleneck == 'network'
    assert metered(reading=2.0, network=9.0, writing=0.3).bottleneck == 'reading'
    assert metered(reading=2.0, network=9.0, writing=3.0).bottleneck == 'writing'
    assert Meter().bottleneck == 'network'


def test_rate_and_time_left():
    meter = metered(network=10.0)
    meter.done, meter.failed, meter.skipped = 15, 5, 40
    assert meter.rate == 2
    assert meter.left(100) == 20
    assert meter.left(None) is None
    assert Meter().left(100) is None
    assert str(meter) == (
        'frames: 15 done, 40 skipped, 5 failed; 2.0 a second; bottleneck: network '
        '(time spent on reading 0%, network 100%, writing 0%)'
    )
    assert str(Meter()) == 'frames: 0 done, 0 skipped, 0 failed'

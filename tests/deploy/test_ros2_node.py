"""The node against a stand-in of ROS 2, which is not on the package index."""

import sys
from collections import deque
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from mmseg_bisenet_lite.deploy import Latency, ros2_node
from mmseg_bisenet_lite.utils.errors import InputError

FRAME = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)


def image(frame=FRAME, encoding='bgr8', sec=7):
    header = SimpleNamespace(stamp=SimpleNamespace(sec=sec, nanosec=0))
    height, width = frame.shape[:2]
    return SimpleNamespace(header=header, height=height, width=width, step=3 * width, encoding=encoding, data=frame.tobytes())


class Ros:
    """A ROS 2 of one node: images that a test publishes wait in a queue as deep as the subscriber asked for.

    Its clock is at 10 s.
    """

    def __init__(self, monkeypatch, **parameters):
        self.events, self.published, self.callback, self.queue = [], {}, None, None
        self.parameters = {'file': 'a.onnx', **parameters}
        node = SimpleNamespace(
            declare_parameter=lambda name, default, descriptor: self.parameters.setdefault(name, default),
            get_parameter=lambda name: SimpleNamespace(value=self.parameters[name]),
            create_publisher=self.create_publisher,
            create_subscription=self.create_subscription,
            get_logger=lambda: SimpleNamespace(info=self.log, error=self.log, warning=self.log),
            get_clock=lambda: SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=10_000_000_000)),
            destroy_node=lambda: self.events.append('destroyed'),
        )

        def module(name, **names):
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
            vars(sys.modules[name]).update(names)

        module(
            'rclpy',
            init=lambda: None,
            try_shutdown=lambda: self.events.append('shut down'),
            create_node=lambda name: node,
            spin=self.spin,
        )
        module('rclpy.executors', ExternalShutdownException=type('ExternalShutdownException', (Exception,), {}))
        module(
            'rclpy.qos',
            QoSProfile=lambda depth, reliability='reliable': SimpleNamespace(depth=depth, reliability=reliability),
            ReliabilityPolicy=SimpleNamespace(BEST_EFFORT='best effort'),
        )
        for package in ('sensor_msgs', 'visualization_msgs', 'geometry_msgs', 'rcl_interfaces'):
            module(package)
        module('sensor_msgs.msg', Image=SimpleNamespace)
        module('visualization_msgs.msg', ImageMarker=type('ImageMarker', (SimpleNamespace,), dict(LINE_LIST=2)))
        module('geometry_msgs.msg', Point=SimpleNamespace)
        module('rcl_interfaces.msg', ParameterDescriptor=SimpleNamespace)

    def log(self, line, **options):
        self.events.append((line, options) if options else line)

    def create_publisher(self, kind, topic, qos):
        assert (qos.depth, qos.reliability) == (1, 'reliable')
        self.published[topic] = []
        return SimpleNamespace(publish=self.published[topic].append)

    def create_subscription(self, kind, topic, callback, qos):
        self.events.append((topic, qos.reliability))
        self.callback, self.queue = callback, deque(self.queue, qos.depth)

    def spin(self, node):
        while self.queue:
            self.callback(self.queue.popleft())
        raise KeyboardInterrupt

    def run(self, *images):
        self.queue = images
        ros2_node.run()


@pytest.fixture
def made(monkeypatch):
    """Arguments of the Segmenters. Foreground is where blue is above 127; ``made.during`` runs in each call."""
    made = SimpleNamespace(arguments=[], during=lambda: None)

    class Segmenter:
        runtime, precision, latency = 'formula', 'fp32', Latency()
        metadata = SimpleNamespace(margin=True, probability=lambda margin: (margin / 255 + 0.5).astype(np.float32))

        def __init__(self, *args, **kwargs):
            made.arguments.append((args, kwargs))

        def __call__(self, frame):
            return self.with_margin(frame)[0]

        def with_margin(self, frame):
            made.during()
            margin = frame[..., 0].astype(np.float32) - 127.5
            return (margin > 0).astype(np.uint8), margin

    monkeypatch.setattr(ros2_node, 'Segmenter', Segmenter)
    return made


def values(message, kind=np.uint8):
    return np.frombuffer(message.data, kind).reshape(message.height, message.width)


def test_without_ros_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, 'rclpy', None)
    with pytest.raises(InputError, match=r'ROS 2 cannot be imported .*: source its setup file first'):
        ros2_node.run()


def test_without_a_file_it_says_so(monkeypatch, made):
    ros = Ros(monkeypatch, file='')
    with pytest.raises(InputError, match='the parameter file is not set'):
        ros.run()
    assert ros.events == ['destroyed', 'shut down']


def test_an_image_becomes_a_mask_with_its_header_and_its_age_is_logged(monkeypatch, made):
    ros, sent = Ros(monkeypatch), image()
    ros.run(sent)
    assert made.arguments == [(('a.onnx', None, None), dict(resize=True, threshold=None))]
    assert list(ros.published) == ['mask']
    (mask,) = ros.published['mask']
    assert (mask.header, mask.encoding) == (sent.header, 'mono8')
    assert np.array_equal(values(mask), FRAME[..., 0] > 127)
    assert ros.events == [
        ('image', 'best effort'),
        'a.onnx: formula, fp32',
        ('age of 1 masks, median 3000.00 ms, p90 3000.00 ms, p99 3000.00 ms', dict(throttle_duration_sec=10.0)),
        'destroyed',
        'shut down',
    ]


@pytest.mark.parametrize(
    ('bad', 'line'),
    [
        (image(encoding='yuv422'), 'encoding yuv422 is not supported; publish images as bgr8, rgb8, bgra8, rgba8, mono8'),
        (image(sec=0), ('images have no stamp in their header, so the age of masks is not known', dict(once=True))),
    ],
)
def test_a_bad_message_is_told_and_does_not_end_the_node(monkeypatch, made, bad, line):
    ros = Ros(monkeypatch)
    ros.run(bad)
    assert ros.events[2:] == [line, 'destroyed', 'shut down']
    ros.callback(image())
    assert np.array_equal(values(ros.published['mask'][-1]), FRAME[..., 0] > 127)
    assert 'age of 1 masks' in ros.events[-1][0]


def test_images_that_come_while_the_network_runs_are_dropped_but_the_newest(monkeypatch, made):
    ros = Ros(monkeypatch)
    later = [image(np.full_like(FRAME, value), sec=7 + value) for value in (1, 2, 3)]

    def during():
        ros.queue.extend(later)
        later.clear()

    made.during = during
    ros.run(image())
    assert [mask.header.stamp.sec for mask in ros.published['mask']] == [7, 10]


def test_confidence_and_contours_are_published_with_the_header_of_the_image(monkeypatch, made):
    ros, sent = Ros(monkeypatch, confidence=True, contours=True), image(np.full_like(FRAME, 204))
    ros.run(sent)
    (confidence,), (contours,) = ros.published['confidence'], ros.published['contours']
    assert confidence.header is contours.header is sent.header
    assert confidence.encoding == '32FC1'
    assert np.allclose(values(confidence, np.float32), 0.8)
    corners = {(point.x, point.y) for point in contours.points}
    assert corners == {(0.0, 0.0), (5.0, 0.0), (0.0, 3.0), (5.0, 3.0)}


@pytest.mark.parametrize('threshold', ['best', 0.3, 'recall=0.95'])
def test_threshold_and_device_reach_the_segmenter(monkeypatch, made, threshold):
    Ros(monkeypatch, threshold=threshold, device='GPU', threads=2).run()
    assert made.arguments == [(('a.onnx', 'GPU', 2), dict(resize=True, threshold=threshold))]


def test_masks_are_made_steady_by_one_stabiliser(monkeypatch, made):
    seen = []

    class Stabiliser:
        def __call__(self, margin, frame):
            seen.append((margin.shape, frame.shape))
            return np.full(margin.shape, len(seen), np.uint8), margin

    monkeypatch.setattr('mmseg_bisenet_lite.deploy.predict.network.Stabiliser', Stabiliser)
    ros = Ros(monkeypatch, stabilise=True)
    more = [image()]
    made.during = lambda: ros.queue.append(more.pop()) if more else None
    ros.run(image())
    assert seen == [((4, 6), (4, 6, 3))] * 2
    assert [values(mask).max() for mask in ros.published['mask']] == [1, 2]

"""The node against a stand-in of ROS 2, which is not on the package index."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from mmseg_bisenet_lite.deploy import Latency, ros2_node
from mmseg_bisenet_lite.utils.errors import InputError

FRAME = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)


def image(frame=FRAME, encoding='bgr8', padding=0):
    rows = frame.reshape(frame.shape[0], -1)
    data = np.pad(rows, ((0, 0), (0, padding))).tobytes()
    return SimpleNamespace(
        header='header', height=frame.shape[0], width=frame.shape[1], step=rows.shape[1] + padding, encoding=encoding, data=data
    )


@pytest.mark.parametrize('padding', [0, 5])
def test_frames_of_messages(padding):
    assert np.array_equal(ros2_node.frame_of(image(padding=padding)), FRAME)
    assert np.array_equal(ros2_node.frame_of(image(FRAME[..., ::-1], 'rgb8', padding)), FRAME)
    with pytest.raises(InputError, match='encoding mono8 is not supported; publish images as bgr8 or rgb8'):
        ros2_node.frame_of(image(encoding='mono8'))
    cut = image(padding=padding)
    cut.data = cut.data[:-1]
    with pytest.raises(InputError, match='is incomplete'):
        ros2_node.frame_of(cut)


def test_without_ros_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, 'rclpy', None)
    with pytest.raises(InputError, match=r'ROS 2 cannot be imported .*: source its setup file first'):
        ros2_node.run()


def test_an_image_becomes_a_mask_with_its_header(monkeypatch):
    events, callbacks = [], []
    publisher = SimpleNamespace(publish=lambda message: events.append(message))
    parameters = dict(file='a.onnx', device='', threads=0)
    node = SimpleNamespace(
        declare_parameter=lambda name, default: None,
        get_parameter=lambda name: SimpleNamespace(value=parameters[name]),
        create_publisher=lambda kind, topic, qos: events.append((topic, qos.reliability)) or publisher,
        create_subscription=lambda kind, topic, callback, qos: callbacks.append((topic, callback, qos.reliability)),
        get_logger=lambda: SimpleNamespace(info=events.append, error=events.append),
        destroy_node=lambda: events.append('destroyed'),
    )
    rclpy = ModuleType('rclpy')
    rclpy.init, rclpy.try_shutdown = lambda: None, lambda: events.append('shut down')
    rclpy.create_node = lambda name: node

    def spin(node):
        callbacks[0][1](image(encoding='mono8'))  # is no reason to stop
        callbacks[0][1](image())
        raise KeyboardInterrupt

    rclpy.spin = spin
    qos, messages = ModuleType('rclpy.qos'), ModuleType('sensor_msgs.msg')
    executors = ModuleType('rclpy.executors')
    executors.ExternalShutdownException = type('ExternalShutdownException', (Exception,), {})
    qos.QoSProfile = lambda depth, reliability='reliable': SimpleNamespace(depth=depth, reliability=reliability)
    qos.ReliabilityPolicy = SimpleNamespace(BEST_EFFORT='best effort')
    messages.Image = SimpleNamespace
    modules = {'rclpy': rclpy, 'rclpy.qos': qos, 'rclpy.executors': executors, 'sensor_msgs': ModuleType('sensor_msgs')}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, 'sensor_msgs.msg', messages)
    made = []

    class Segmenter:
        runtime, precision, latency = 'formula', 'fp32', Latency()

        def __init__(self, *args, **kwargs):
            made.append((args, kwargs))

        def __call__(self, frame):
            return (frame[..., 0] > 127).astype(np.uint8)

    monkeypatch.setattr(ros2_node, 'Segmenter', Segmenter)
    ros2_node.run()
    assert made == [(('a.onnx', None, None), dict(resize=True))]
    assert (callbacks[0][0], callbacks[0][2]) == ('image', 'best effort')
    assert events[0] == ('mask', 'reliable')
    assert events[1] == 'a.onnx: formula, fp32'
    assert events[2] == 'encoding mono8 is not supported; publish images as bgr8 or rgb8'
    mask = events[3]
    assert (mask.header, mask.encoding, mask.height, mask.width, mask.step) == ('header', 'mono8', 4, 6, 6)
    assert np.array_equal(np.frombuffer(mask.data, np.uint8).reshape(4, 6), FRAME[..., 0] > 127)
    assert events[4:] == ['destroyed', 'shut down']

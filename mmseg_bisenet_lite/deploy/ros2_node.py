"""A ROS 2 node from camera images to masks: ``python -m mmseg_bisenet_lite.deploy.ros2_node --ros-args -p file:=FILE``.

The node subscribes to ``image`` (``sensor_msgs/Image``; ``bgr8``, ``rgb8``, ``bgra8``, ``rgba8`` or ``mono8``) and publishes
``mask`` (``mono8``, class indices) with the image's header. If images come faster than masks, the node uses the newest image
and drops the others. The header's stamp is the time of capture, so the age of a mask is the time since then; it is logged.

Parameters:
    ``file``: File that ``tools/export.py`` wrote.
    ``device``, ``threads``, ``threshold``: As for :class:`~mmseg_bisenet_lite.deploy.Segmenter`; empty and 0 are its defaults.
    ``stabilise``: Whether masks are made steady from image to image.
    ``confidence``: Whether ``confidence`` is published: ``32FC1``, the probability of foreground.
    ``contours``: Whether ``contours`` is published: ``visualization_msgs/ImageMarker``, the outlines of the foreground.

Frames of another size are letterboxed for the file, and their masks have the image's size.
"""

import time
from contextlib import suppress
from typing import Any

from mmseg_bisenet_lite.deploy import Latency, Segmenter
from mmseg_bisenet_lite.deploy.predict.frames import Frame
from mmseg_bisenet_lite.deploy.predict.network import Network
from mmseg_bisenet_lite.deploy.ros2_messages import frame_of, image_of, outlines_of, stamp_of
from mmseg_bisenet_lite.utils.console import one_line_errors
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.library import reason_of

PARAMETERS = dict(file='', device='', threads=0, threshold='', stabilise=False, confidence=False, contours=False)
LOG_SECONDS = 10.0  # between two lines about the age


class Topic:
    """The images of a topic, as a source."""

    label, moving, live, rate, count, files = 'image', True, True, None, None, ()

    def name(self, number: int) -> str:
        """Return the name of a frame."""
        return f'{self.label}/{number:06d}'

    def __iter__(self) -> Any:
        """ROS 2 calls the node instead."""
        raise NotImplementedError


def run() -> None:
    """Start the node and serve until it is stopped.

    Raises:
        InputError: ROS 2 is missing, the file cannot be loaded, or it lacks what a parameter needs.
    """
    try:
        import rclpy
        from geometry_msgs.msg import Point
        from rcl_interfaces.msg import ParameterDescriptor
        from rclpy.executors import ExternalShutdownException
        from rclpy.qos import QoSProfile, ReliabilityPolicy
        from sensor_msgs.msg import Image
        from visualization_msgs.msg import ImageMarker
    except ImportError as error:
        raise InputError(f'ROS 2 cannot be imported ({reason_of(error)}): source its setup file first') from error

    rclpy.init()
    node = rclpy.create_node('segmenter')
    try:
        for name, default in PARAMETERS.items():
            # A threshold is a number or a word.
            node.declare_parameter(name, default, ParameterDescriptor(dynamic_typing=name == 'threshold'))
        given = {name: node.get_parameter(name).value for name in PARAMETERS}
        if not given['file']:
            raise InputError('the parameter file is not set; start the node with --ros-args -p file:=FILE')
        file, device, threads, threshold = (given[name] for name in ('file', 'device', 'threads', 'threshold'))
        threshold = None if threshold == '' else threshold  # 0 is one
        segmenter = Segmenter(file, device or None, threads or None, resize=True, threshold=threshold)
        network = Network(segmenter, probability=given['confidence'], stabilise=given['stabilise'])
        topic = Topic()
        network.start(topic)
        publishers = {'mask': node.create_publisher(Image, 'mask', QoSProfile(depth=1))}
        if given['confidence']:
            publishers['confidence'] = node.create_publisher(Image, 'confidence', QoSProfile(depth=1))
        if given['contours']:
            publishers['contours'] = node.create_publisher(ImageMarker, 'contours', QoSProfile(depth=1))
        age = Latency(unit='masks')

        def answer(message: Any) -> None:
            try:
                (result,) = network([Frame(frame_of(message), topic, topic.name(age.calls), age.calls, time.monotonic())])
            except InputError as error:  # one bad message does not end the node
                node.get_logger().error(error.line)
                return
            publishers['mask'].publish(image_of(result.mask, message.header, Image))
            if result.probability is not None:
                publishers['confidence'].publish(image_of(result.probability, message.header, Image))
            if given['contours']:
                publishers['contours'].publish(outlines_of(result.mask, message.header, ImageMarker, Point))
            if (stamp := stamp_of(message)) is None:
                node.get_logger().warning('images have no stamp in their header, so the age of masks is not known', once=True)
                return
            age.add(1e-9 * node.get_clock().now().nanoseconds - stamp)
            node.get_logger().info(f'age of {age}', throttle_duration_sec=LOG_SECONDS)

        # Depth 1: while a callback runs, the newest image replaces the one that waits. Cameras publish as best effort; a
        # best-effort subscriber receives reliable publishers too, but not the reverse.
        newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        node.create_subscription(Image, 'image', answer, newest)
        node.get_logger().info(f'{given["file"]}: {segmenter.runtime}, {segmenter.precision}')
        with suppress(KeyboardInterrupt, ExternalShutdownException):
            rclpy.spin(node)
    finally:
        node.destroy_node()
        rclpy.try_shutdown()  # a signal may have shut it down already


if __name__ == '__main__':
    with one_line_errors():
        run()

"""A ROS 2 node from camera images to masks: ``python -m mmseg_bisenet_lite.deploy.ros2_node --ros-args -p file:=FILE``.

The node subscribes to ``image`` (``sensor_msgs/Image``, ``bgr8`` or ``rgb8``) and publishes ``mask`` (``mono8``, class indices,
with the image's header). If images come faster than masks, the node uses the newest image and drops the others.

Parameters: ``file``, which ``tools/export.py`` wrote; ``device`` and ``threads``, as for
:class:`~mmseg_bisenet_lite.deploy.Segmenter` (empty and 0 are its defaults). Frames of another size are letterboxed
for the file, and their masks have the image's size.
"""

from contextlib import suppress
from typing import Any

import numpy as np

from mmseg_bisenet_lite.deploy import Segmenter
from mmseg_bisenet_lite.utils.console import one_line_errors
from mmseg_bisenet_lite.utils.errors import InputError
from mmseg_bisenet_lite.utils.library import reason_of


def frame_of(message: Any) -> np.ndarray:
    """Return the frame, (height, width, 3), uint8 BGR, of a ``sensor_msgs/Image``.

    Raises:
        InputError: The encoding is neither ``bgr8`` nor ``rgb8``, or the data are incomplete.
    """
    if message.encoding not in ('bgr8', 'rgb8'):
        raise InputError(f'encoding {message.encoding} is not supported; publish images as bgr8 or rgb8')
    if len(message.data) != message.height * message.step or message.step < 3 * message.width:
        raise InputError(f'an image of {message.width}x{message.height} with {len(message.data)} bytes of data is incomplete')
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)  # rows may be padded
    frame = rows[:, : 3 * message.width].reshape(message.height, message.width, 3)
    return frame if message.encoding == 'bgr8' else frame[..., ::-1]


def run() -> None:
    """Start the node and serve until it is stopped.

    Raises:
        InputError: ROS 2 is missing, or the file cannot be loaded.
    """
    try:
        import rclpy
        from rclpy.executors import ExternalShutdownException
        from rclpy.qos import QoSProfile, ReliabilityPolicy
        from sensor_msgs.msg import Image
    except ImportError as error:
        raise InputError(f'ROS 2 cannot be imported ({reason_of(error)}): source its setup file first') from error

    rclpy.init()
    node = rclpy.create_node('segmenter')
    try:
        for name, default in (('file', ''), ('device', ''), ('threads', 0)):
            node.declare_parameter(name, default)
        file, device, threads = (node.get_parameter(name).value for name in ('file', 'device', 'threads'))
        if not file:
            raise InputError('the parameter file is not set; start the node with --ros-args -p file:=FILE')
        segmenter = Segmenter(file, device or None, threads or None, resize=True)
        publisher = node.create_publisher(Image, 'mask', QoSProfile(depth=1))

        def answer(message: Any) -> None:
            try:
                mask = segmenter(frame_of(message))
            except InputError as error:  # one bad message does not end the node
                node.get_logger().error(error.line)
                return
            height, width = mask.shape
            publisher.publish(
                Image(header=message.header, height=height, width=width, encoding='mono8', step=width, data=mask.tobytes())
            )

        # Cameras publish as best effort; a best-effort subscriber receives reliable publishers too, but not the reverse.
        newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        node.create_subscription(Image, 'image', answer, newest)
        node.get_logger().info(f'{file}: {segmenter.runtime}, {segmenter.precision}')
        with suppress(KeyboardInterrupt, ExternalShutdownException):
            rclpy.spin(node)
    finally:
        node.destroy_node()
        rclpy.try_shutdown()  # a signal may have shut it down already


if __name__ == '__main__':
    with one_line_errors():
        run()

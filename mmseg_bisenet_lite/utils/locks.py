"""Locks of what belongs to the whole process."""

import threading

# Standard output, log levels and filters of warnings. If two threads changed them at the same time, the second to leave would
# restore what the first had set, and the program would stay silent.
OUTPUT = threading.RLock()

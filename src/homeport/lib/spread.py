"""A hint to the file system that the folders in a folder have nothing to do with each other."""

import os
import struct
import sys
from contextlib import suppress

_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602  # FS_IOC_GETFLAGS, FS_IOC_SETFLAGS of 64 bits
_TOP_OF_HIERARCHIES = 0x20000  # FS_TOPDIR_FL: `chattr +T`


def spread(folder: str) -> None:
    """Have ext4 put each new folder in `folder` elsewhere on the disk; elsewhere it has no effect.

    ext4 gives a deleted file's place to no other for a minute and more, and looks for a new file's
    place next to its neighbours, past all of those: where whole trees come and go, each file of the
    next tree costs more than the last.
    """
    if sys.platform != "linux":
        return
    import fcntl

    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            (flags,) = struct.unpack("l", fcntl.ioctl(handle, _GET_FLAGS, struct.pack("l", 0)))
            fcntl.ioctl(handle, _SET_FLAGS, struct.pack("l", flags | _TOP_OF_HIERARCHIES))
        finally:
            os.close(handle)

"""The Unix socket of the command line; file permissions are its access control."""

import os
import socket
from pathlib import Path

from bridge.adapters.http_server import listening
from bridge.adapters.web.client import SOCKET_NAME, short_name


def bind_unix(folder: Path) -> socket.socket:
    """Return the listening socket of this data folder, for its owner and group.

    Raises:
        OSError: It cannot be made there.
    """
    path = folder / SOCKET_NAME
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX)
    old = os.umask(0o117)
    try:
        with short_name(path) as name:
            sock.bind(name)
    except OSError:
        sock.close()
        raise
    finally:
        os.umask(old)
    return listening(sock)

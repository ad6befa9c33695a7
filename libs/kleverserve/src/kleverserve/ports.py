"""Free ports, for servers that cannot choose one themselves."""

import socket


def port_or_free(host: str, port: int) -> int:
    """The port itself, or one that nobody listens on now if it is 0.

    Another process may take a free one before the server does; the server then ends, as with any taken port.

    Raises:
        OSError: nothing can listen on the address.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        return int(probe.getsockname()[1])

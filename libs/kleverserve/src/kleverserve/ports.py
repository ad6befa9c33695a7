"""Free ports for servers that cannot choose one themselves."""

import socket


def port_or_free(host: str, port: int) -> int:
    """Return the port, or any free port if it is 0.

    Another process may use a free port before the server does; the server then exits, as for any port in use.

    Raises:
        OSError: no server can listen on the address.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        return int(probe.getsockname()[1])

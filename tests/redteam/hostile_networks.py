"""What code of a stranger's tries of networks; the end of `hostile.py`, whose names it uses."""


@attempt
def tcp_to_this_machine() -> object:
    return socket.create_connection(("127.0.0.1", WORLD["port"]), 2) is not None


@attempt
def tcp_over_ipv6() -> object:
    return socket.create_connection(("::1", WORLD["port"]), 2) is not None


@attempt
def datagram() -> object:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        return asked.sendto(b"x", (WORLD["address"], 53)) > 0


@attempt
def metadata_of_a_cloud() -> object:
    return socket.create_connection(("169.254.169.254", 80), 2) is not None


@attempt
def name_service() -> object:
    return socket.getaddrinfo("example.com", 80) and None


@attempt
def socket_of_a_path() -> object:
    with socket.socket(socket.AF_UNIX) as asked:
        return asked.connect(WORLD["socket"]) is None


@attempt
def socket_without_a_path() -> object:
    with socket.socket(socket.AF_UNIX) as asked:
        return asked.connect(WORLD["abstract"].encode()) is None


@attempt
def socket_of_a_pair_connected_elsewhere() -> object:
    """`socketpair` is allowed: its ends must not lead anywhere else."""
    one, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    return one.connect(WORLD["datagram"]) is None or one.sendto(b"x", WORLD["datagram"]) > 0


@attempt
def other_families() -> object:
    found = []
    for family, kind, protocol in (
        (16, 3, 0),
        (17, 3, 768),
        (40, 1, 0),
        (38, 5, 0),
        (31, 1, 3),
        (29, 3, 1),
        (44, 3, 0),
        (2, 3, 1),
        (10, 3, 58),
    ):
        try:
            socket.socket(family, kind, protocol).close()
        except OSError:
            continue
        found.append(family)
    return found or None


main()

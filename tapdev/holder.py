"""The process that keeps a network namespace alive: `python -I holder.py SOCKET OWNER UNSHARE`.

SOCKET is the descriptor of a SOCK_SEQPACKET pair, OWNER the pid of the process at its other end, UNSHARE one of "user"
(new user and network namespace), "net" (new network namespace) and "none" (stay). It answers requests, each one
message, with errno in decimal ("0" for success) and descriptors:

    ready             (unasked, first) descriptors of the network and the user namespace
    open PATH         a descriptor of PATH opened in this namespace
    netlink           a NETLINK_ROUTE socket of this namespace
    name NAME         remember that /run/netns/NAME is this namespace

It ends when the owner closes its end or dies, however that happens, ends the commands the lab started and removes the
name. It is a program of its own because unsharing a user namespace needs a process with one thread.
"""

import contextlib
import ctypes
import os
import select
import signal
import socket
import sys
import time

# Environment variable of the commands a lab started: the inode of their namespace, a dot, the pid of the holder.
MARK = "WSPSTACK_NAMESPACE"

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_NETLINK_ROUTE = 0
_GRACE = 2_000_000_000  # ns between SIGTERM and SIGKILL


def main() -> None:
    """Unshare, then answer requests until the owner is gone, then clean."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)
    try:
        owner = os.pidfd_open(int(sys.argv[2]))
        _unshare(sys.argv[3])
        namespaces = [os.open(f"/proc/self/ns/{kind}", os.O_RDONLY) for kind in ("net", "user")]
    except OSError as error:
        channel.send(str(error.errno).encode())
        return
    _answer(channel, 0, namespaces)
    name = _serve(channel, owner)
    # Whoever only joined a namespace ends what was started through it, and not what its maker runs there.
    end_commands(None if name or sys.argv[3] != "none" else os.getpid())
    if name:
        remove_name(name, os.stat("/proc/self/ns/net"))


def _unshare(what: str) -> None:
    flags = {"user": _CLONE_NEWUSER | _CLONE_NEWNET, "net": _CLONE_NEWNET, "none": 0}[what]
    user, group = os.geteuid(), os.getegid()
    if flags and ctypes.CDLL(None, use_errno=True).unshare(flags) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    if what == "user":
        # user_namespaces(7): without privilege the group map may be written only after setgroups is denied.
        for file, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            with open(f"/proc/self/{file}", "w") as stream:
                stream.write(text)


def _serve(channel: socket.socket, owner: int) -> str:
    name = ""
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    poll.register(owner, select.POLLIN)
    while True:
        # The owner's death shows on its pidfd even while a forked child of it still holds the other end.
        if any(descriptor == owner for descriptor, _ in poll.poll()):
            return name
        try:
            verb, _, argument = channel.recv(4096).decode().partition(" ")
        except OSError:
            return name
        if not verb:
            return name
        descriptors: list[int] = []
        code = 0
        try:
            if verb == "open":
                descriptors = [os.open(argument, os.O_RDWR | os.O_NONBLOCK)]
            elif verb == "netlink":
                descriptors = [socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_ROUTE).detach()]
            else:
                name = argument
        except OSError as error:
            code = error.errno or 1
        _answer(channel, code, descriptors)


def _answer(channel: socket.socket, code: int, descriptors: list[int]) -> None:
    with contextlib.suppress(OSError):
        socket.send_fds(channel, [str(code).encode()], descriptors)
    for descriptor in descriptors:
        os.close(descriptor)


def end_commands(holder: int | None) -> None:
    """End the processes of this network namespace that carry its mark: SIGTERM, and SIGKILL two seconds later.

    `holder` is the pid of the one through which they were started, None for any.
    """
    deadline = time.monotonic_ns() + _GRACE
    for number in (signal.SIGTERM, signal.SIGKILL):
        waiting = select.poll()
        left = set()
        for process in _commands(holder):
            with contextlib.suppress(OSError):
                descriptor = os.pidfd_open(process)
                left.add(descriptor)
                waiting.register(descriptor, select.POLLIN)
                signal.pidfd_send_signal(descriptor, number)
        while left and (remaining := deadline - time.monotonic_ns()) > 0:
            for descriptor, _ in waiting.poll(remaining / 1e6):
                waiting.unregister(descriptor)
                os.close(descriptor)
                left.discard(descriptor)


def _commands(holder: int | None) -> list[int]:
    here = os.stat("/proc/self/ns/net")
    mark = f"{MARK}={here.st_ino}.{holder or ''}".encode()
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if os.path.samestat(os.stat(f"/proc/{entry}/ns/net"), here):
                with open(f"/proc/{entry}/environ", "rb") as stream:
                    marks = [value for value in stream.read().split(b"\0") if value.startswith(mark)]
                    if marks if holder is None else mark in marks:
                        found.append(int(entry))
    return found


def remove_name(name: str, namespace: os.stat_result) -> None:
    """Remove /run/netns/`name` if it is `namespace`; a name that is gone or somebody else's is left alone."""
    with contextlib.suppress(OSError):
        if os.path.samestat(os.stat(f"/run/netns/{name}"), namespace):
            from pyroute2 import netns

            netns.remove(name)


if __name__ == "__main__":
    main()

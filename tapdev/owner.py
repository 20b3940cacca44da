"""The owner's end of a holder process (tapdev/holder.py): starts it, asks it for descriptors, lets it go."""

import contextlib
import errno
import os
import socket
import subprocess
import sys
import threading
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from tapdev.errors import NamespaceUnavailable
from tapdev.spawn import popen_inside

_HOLDER = str(Path(__file__).with_name("holder.py"))

Unshare = Literal["user", "net", "none"]


class Holder:
    """A process that lives in a network namespace: a new one, or with `unshare` "none" the one it was started in.

    Attributes: `pid`; `net` and `user`, descriptors of its namespaces, -1 after `close`.
    Raises NamespaceUnavailable if it may not have the namespace.
    """

    def __init__(self, unshare: Unshare, *, user: int = -1, net: int = -1) -> None:
        """Start it inside the namespaces behind descriptors `user` and `net` (-1: stay in the caller's)."""
        self.net = self.user = -1
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with far:
                self._process = popen_inside(
                    user,
                    net,
                    [sys.executable, "-I", _HOLDER, str(far.fileno()), str(os.getpid()), unshare],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl-C at the terminal is for the program, not for the holder
                    cwd="/",
                    env={name: value for name, value in os.environ.items() if name != "LD_PRELOAD"},  # a sanitizer's
                    pass_fds=[far.fileno()],
                )
            self.pid = self._process.pid
            self.net, self.user = self._receive(2)
        except OSError as error:
            self.close()
            raise _refusal("enter" if unshare == "none" else "make", error) from None
        except BaseException:
            self.close()
            raise

    def request(self, text: str) -> list[int]:
        """Ask for something of the list in tapdev/holder.py and return the descriptors of the answer, now the caller's.

        Raises OSError as the holder met it, NamespaceUnavailable when the holder has ended.
        """
        with self._lock:
            with _loss_told():
                self._channel.send(text.encode())
            return self._receive(1)

    def close(self) -> None:
        """Let the holder go and wait until it has cleaned up; a second call does nothing."""
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)
        self._channel.close()
        if self._process is not None:
            self._process.wait()
        for descriptor in (self.net, self.user):
            if descriptor >= 0:
                os.close(descriptor)
        self.net = self.user = -1

    def _receive(self, most: int) -> list[int]:
        with _loss_told():
            # Not socket.recv_fds: Python 3.11's drops the flags, and a command started meanwhile would inherit.
            space = socket.CMSG_LEN(most * array("i").itemsize)
            answer, ancillary, _, _ = self._channel.recvmsg(64, space, socket.MSG_CMSG_CLOEXEC)
            if not answer:
                raise ConnectionResetError
        code = int(answer)
        if code:
            raise OSError(code, os.strerror(code))
        return [descriptor for _, _, data in ancillary for descriptor in array("i", data)]


@contextlib.contextmanager
def _loss_told() -> Iterator[None]:
    try:
        yield
    except ConnectionError:
        raise NamespaceUnavailable("the process that holds the network namespace has ended: start again") from None


def _refusal(verb: str, error: OSError) -> NamespaceUnavailable:
    code = error.errno or 0
    if code in (errno.EPERM, errno.EACCES):
        advice = (
            "run as root, or allow user namespaces"
            " (sysctl kernel.unprivileged_userns_clone=1 or kernel.apparmor_restrict_unprivileged_userns=0)"
        )
    elif code in (errno.ENOSPC, errno.EUSERS):
        advice = "raise user.max_user_namespaces and user.max_net_namespaces (sysctl)"
    elif code in (errno.EINVAL, errno.ENOSYS):
        advice = "this kernel may lack CONFIG_NET_NS or CONFIG_USER_NS"
    else:
        advice = f"check that {sys.executable} runs"
    return NamespaceUnavailable(f"user {os.geteuid()} cannot {verb} a network namespace ({error.strerror}): {advice}")

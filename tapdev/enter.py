"""Runs a command inside namespaces: `python -I -S enter.py STATUS USER NET COMMAND [ARGUMENT ...]`.

STATUS, USER and NET are descriptor numbers (-1 for a namespace not to be entered). This is a program of its own because
entering a user namespace needs a process with one thread, which the caller seldom is, and because code between fork and
exec of a process with threads may deadlock. It becomes the command, so pid and exit status are the command's. If it
fails, errno in decimal goes to STATUS; STATUS is closed without a word when the command runs.
"""

import ctypes
import os
import signal
import sys

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000


def main() -> None:
    """Enter the namespaces and become the command."""
    status, user, net = (int(argument) for argument in sys.argv[1:4])
    command = sys.argv[4:]
    os.set_inheritable(status, False)
    try:
        for descriptor, kind in ((user, _CLONE_NEWUSER), (net, _CLONE_NEWNET)):
            if descriptor < 0:
                continue
            library = ctypes.CDLL(None, use_errno=True)
            if library.setns(descriptor, kind) != 0:
                raise OSError(ctypes.get_errno(), "setns")
            os.close(descriptor)
        # Python ignores these; the command must find what any other parent would give it.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        # In the C locale Python adds LC_CTYPE to its own environment (PEP 538); the command must not inherit it.
        with open("/proc/self/environ", "rb") as stream:
            if b"\0LC_CTYPE=" not in b"\0" + stream.read():
                os.environ.pop("LC_CTYPE", None)
        os.execvp(command[0], command)
    except OSError as error:
        os.write(status, str(error.errno).encode())
        os._exit(127)


if __name__ == "__main__":
    main()

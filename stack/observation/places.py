"""Where the control sockets of running stacks stand, and who may reach them."""

import errno
import itertools
import os
import socket
import stat
import tempfile
from pathlib import Path
from typing import Final

PATH_LIMIT: Final = 107
"""Octets that the path of a Unix socket may have (unix(7))."""

DIRECTORY_VARIABLE: Final = "WSPSTACK_CONTROL_DIR"
"""Names another folder for the sockets."""

_serial = itertools.count(1)


class ControlError(OSError):
    """A control socket cannot be made or reached; the message is one line for a person."""

    def __str__(self) -> str:
        return str(self.args[0])


def control_directory() -> Path:
    """Returns the folder of this user's sockets: $WSPSTACK_CONTROL_DIR, $XDG_RUNTIME_DIR/wspstack, or one in /tmp."""
    named = os.environ.get(DIRECTORY_VARIABLE)
    if named:
        return Path(named)
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_dir():
        return Path(runtime) / "wspstack"
    return Path(tempfile.gettempdir()) / f"wspstack-{os.geteuid()}"


def make_directory(directory: Path) -> None:
    """Makes the folder for this user alone. Raises ControlError where somebody else could reach into it."""
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        ours = _is_ours_alone(directory)
    except OSError as error:
        raise ControlError(f"no folder {directory} for control sockets: {error.strerror}") from error
    if not ours:
        raise ControlError(
            f"{directory} is not a folder of user {os.geteuid()} alone: remove it, or name another in "
            f"{DIRECTORY_VARIABLE}"
        )


def _is_ours_alone(directory: Path) -> bool:
    """In /tmp another user may have come first, with a folder or a link of that name. Raises OSError."""
    found = directory.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022


def new_path() -> Path:
    """Returns where the next stack of this process puts its socket, in a folder made for it. Raises ControlError."""
    directory = control_directory()
    make_directory(directory)
    return directory / f"{os.getpid()}-{next(_serial)}.sock"


def checked(path: Path) -> str:
    """Returns the path as bind and connect take it. Raises ControlError when it is too long for them."""
    size = len(os.fsencode(path))
    if size > PATH_LIMIT:
        raise ControlError(f"{path} has {size} octets, but a Unix socket's path has {PATH_LIMIT} at most")
    return str(path)


def is_answered(path: Path) -> bool:
    """Returns whether a process listens at `path`. Raises ControlError when it cannot be told."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(checked(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except BlockingIOError:
            return True  # its queue is full
        except OSError as error:
            if error.errno == errno.ENOTSOCK:
                raise ControlError(f"{path} is no socket") from error
            raise ControlError(f"{path}: {error.strerror or error}") from error
    return True


def running_sockets() -> list[Path]:
    """Returns the sockets of this user's running stacks; those that killed processes left behind are removed."""
    directory = control_directory()
    found: list[Path] = []
    try:
        if not _is_ours_alone(directory):
            return found
    except OSError:
        return found
    for path in sorted(directory.glob("*.sock")):
        try:
            if is_answered(path):
                found.append(path)
            elif not _is_alive(path):
                path.unlink(missing_ok=True)
        except OSError:
            continue  # somebody else's file, or gone meanwhile
    return found


def _is_alive(path: Path) -> bool:
    """Whether the process that a socket is named after runs: between its bind and its listen nobody answers yet."""
    number = path.stem.partition("-")[0]
    return number.isdecimal() and Path(f"/proc/{number}").exists()

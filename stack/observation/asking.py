"""The other side of a control socket: finds a running stack and asks it."""

import ipaddress
import json
import socket
from pathlib import Path
from typing import Any, Final

from stack.observation.places import ControlError, checked, control_directory, running_sockets

_SECONDS: Final = 65.0  # longer than a stack takes to give a client up
_ANSWER_LIMIT: Final = 512 << 20  # bytes; far above the largest answer


def ask(path: Path, **request: Any) -> dict[str, Any]:
    """Returns the document with which the stack at `path` answers. Raises ControlError.

    request: the fields of `stack.observation.requests.Request`.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(_SECONDS)
        try:
            client.connect(checked(path))
            client.sendall(json.dumps(request).encode() + b"\n")
            octets = _read(client)
        except TimeoutError as error:
            raise ControlError(f"the stack at {path} does not answer") from error
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise ControlError(f"no stack answers at {path}") from error
        except OSError as error:
            raise ControlError(f"{path}: {error.strerror or error}") from error
    try:
        document = json.loads(octets)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ControlError(f"what answers at {path} is no stack, or it ended in the middle")
    if "error" in document:
        raise ControlError(str(document["error"]))
    return document


def _read(client: socket.socket) -> bytes:
    octets = bytearray()
    while piece := client.recv(1 << 16):
        octets += piece
        if len(octets) > _ANSWER_LIMIT:
            raise ControlError(f"an answer of more than {_ANSWER_LIMIT} bytes: ask for less with a filter")
    return bytes(octets)


def find_stack(wanted: str | None) -> Path:
    """Returns the socket of the running stack that is meant. Raises ControlError when there is none, or several.

    wanted: its address, its process, or the path of its socket; None: the only one.
    """
    if wanted is not None and "/" in wanted:
        return Path(wanted)
    paths = running_sockets()
    if wanted is not None and wanted.isdecimal():
        found = [path for path in paths if path.stem.partition("-")[0] == wanted]
        what = f"process {wanted} runs no stack of yours"
    elif wanted is not None:
        try:
            address = str(ipaddress.ip_address(wanted))
        except ValueError:
            raise ControlError(
                f"{wanted!r} names no stack: give its address (10.77.0.2), its process or the path of its socket"
            ) from None
        found = [path for path in paths if _address(path) == address]
        what = f"no stack of yours runs at {address}"
    else:
        found, what = paths, "no stack of yours runs"
    if len(found) == 1:
        return found[0]
    if found:
        raise ControlError(f"{len(found)} stacks run: say which with --stack: {'; '.join(map(_described, found))}")
    others = f": there are {'; '.join(map(_described, paths))}" if paths else f" (sockets in {control_directory()})"
    raise ControlError(what + others)


def _address(path: Path) -> str | None:
    try:
        return str(ask(path, get="stack")["stack"]["address"])
    except ControlError:
        return None  # it has ended since


def _described(path: Path) -> str:
    return f"{_address(path) or 'one that just ended'} (process {path.stem.partition('-')[0]}, {path})"

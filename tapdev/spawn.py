"""Starts commands inside namespaces through tapdev/enter.py, with the manners of the standard library's subprocess."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_ENTER = str(Path(__file__).with_name("enter.py"))

Command = Sequence[str | os.PathLike[str]] | str


def popen_inside(user: int, net: int, argv: Command, **options: Any) -> "subprocess.Popen[Any]":
    """Start `argv` inside the namespaces behind descriptors `user` and `net` (-1: stay in the caller's).

    Options and result as for subprocess.Popen, but `executable` is not taken. It returns when the command itself runs.
    Raises OSError (FileNotFoundError, PermissionError, ...) if a namespace cannot be entered or the command not run.
    """
    if "executable" in options:
        raise TypeError("argument 'executable' is not taken: put the program first in argv")
    if options.pop("shell", False):
        argv = ["/bin/sh", "-c", *([argv] if isinstance(argv, str) else argv)]
    elif isinstance(argv, str):
        argv = [argv]
    command = [os.fspath(item) for item in argv]
    namespaces = [descriptor for descriptor in (user, net) if descriptor >= 0]
    status, far = os.pipe2(os.O_CLOEXEC)
    try:
        options["pass_fds"] = [*options.get("pass_fds", ()), *namespaces, far]
        start = [sys.executable, "-I", "-S", _ENTER, str(far), str(user), str(net), *command]
        process = subprocess.Popen(start, **options)
    except BaseException:
        os.close(status)
        raise
    finally:
        os.close(far)
    with open(status, "rb") as stream:
        failure = stream.read()
    if failure:
        _discard(process)
        raise OSError(int(failure), os.strerror(int(failure)), command[0])
    return process


def run_with(
    popen: Callable[..., "subprocess.Popen[Any]"], argv: Command, **options: Any
) -> "subprocess.CompletedProcess[Any]":
    """Do what subprocess.run does, with `popen` in place of subprocess.Popen; `timeout` in seconds."""
    text, timeout, check = options.pop("input", None), options.pop("timeout", None), options.pop("check", False)
    if text is not None:
        options["stdin"] = subprocess.PIPE
    if options.pop("capture_output", False):
        options["stdout"] = options["stderr"] = subprocess.PIPE
    with popen(argv, **options) as process:
        try:
            output, errors = process.communicate(text, timeout=timeout)
        except BaseException:
            process.kill()
            raise
    result = subprocess.CompletedProcess(argv, process.returncode, output, errors)
    if check:
        result.check_returncode()
    return result


def _discard(process: "subprocess.Popen[Any]") -> None:
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    process.wait()

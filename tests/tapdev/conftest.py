"""What the tests of tapdev need of the machine: the device, root, an ordinary user, a machine of their own."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyroute2
import pytest

import tapdev
from tapdev.tap import DEVICE_VARIABLE, device_path

NOBODY = 65534
TUN_DEVICE_NUMBER = os.makedev(10, 200)
PACKAGES = Path(tapdev.__file__).parents[1]
SECONDS = 60  # for a script to end; far above what it needs

Script = Callable[..., Any]


@pytest.fixture
def tun_device() -> str:
    """The device node, which this process may open."""
    path = device_path()
    if not os.path.exists(path):
        pytest.skip(f"{path} is missing")
    if not os.access(path, os.R_OK | os.W_OK):
        pytest.skip(f"{path} is forbidden to user {os.geteuid()}")
    return path


@pytest.fixture
def root() -> None:
    """Root, for what needs more than a lab."""
    if os.geteuid() != 0:
        pytest.skip(f"needs root, this is user {os.geteuid()}")


@pytest.fixture(params=[False, True], ids=["root", "rootless"])
def rootless(request: pytest.FixtureRequest) -> bool:
    """Each way to have a lab, as far as this process may."""
    if not request.param and os.geteuid() != 0:
        pytest.skip(f"a named namespace needs root, this is user {os.geteuid()}")
    return bool(request.param)


def run_script(command: list[str], script: str, **options: Any) -> Any:
    """Runs a Python script with the interpreter `command` and returns the JSON it prints last."""
    body = f"import json, os, sys\n{script}"
    result = subprocess.run([*command, "-c", body], capture_output=True, text=True, timeout=SECONDS, **options)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture
def own_machine(root: None) -> Script:
    """Runs a script, as root, where no other lab can be seen or can see: own /run, own network namespace."""
    for program in ("unshare", "mount"):
        if shutil.which(program) is None:
            pytest.skip(f"needs the program {program}")
    start = ["unshare", "--mount", "--net", "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh", sys.executable]

    def run(script: str) -> Any:
        return run_script(start, script, env={**os.environ, "PYTHONPATH": os.pathsep.join([str(PACKAGES), *sys.path])})

    return run


@pytest.fixture
def ordinary_user(root: None) -> Iterator[Script]:
    """Runs a script as a user without any privilege, with the device node `device` (default: the machine's own).

    `allowed_device` as the device is a node that everybody may open.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        for package in (Path(tapdev.__file__).parent, Path(pyroute2.__file__).parent):
            shutil.copytree(package, home / package.name, ignore=shutil.ignore_patterns("__pycache__"))
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "PYTHONPATH": folder, "TMPDIR": folder}
        python = _interpreter_for_all(environment)

        def run(script: str, device: str | None = None) -> Any:
            more = {DEVICE_VARIABLE: device} if device else {}
            user = {"user": NOBODY, "group": NOBODY, "extra_groups": [], "cwd": "/"}
            return run_script([python], script, env={**environment, **more}, **user)

        yield run


def _interpreter_for_all(environment: dict[str, str]) -> str:
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            version = subprocess.run(
                [python, "-c", "import sys; print(sys.version_info >= (3, 11))"],
                user=NOBODY,
                env=environment,
                cwd="/",
                capture_output=True,
                text=True,
                timeout=SECONDS,
            )
        except OSError:
            continue
        if version.stdout.strip() == "True":
            return python
    pytest.skip(f"user {NOBODY} can run neither {sys.executable} nor a /usr/bin/python3 of version 3.11 or later")


@pytest.fixture
def allowed_device(root: None) -> Iterator[str]:
    """A device node as most distributions have it: open to everybody."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = f"{folder}/tun"
        try:
            os.mknod(path, stat.S_IFCHR | 0o666, TUN_DEVICE_NUMBER)
            os.chmod(path, 0o666)
            os.close(os.open(path, os.O_RDWR))
        except OSError as error:
            pytest.skip(f"a device node in {folder} cannot be made or opened: {error.strerror}")
        yield path

"""Owners that die: what cleans up after them, and what nobody touches."""

from typing import Any

import pytest

pytestmark = pytest.mark.live

# A process that opens a lab with a command inside, tells about it, and waits to be killed.
OWNER = """
import json, sys, tapdev, time
lab = tapdev.Lab(rootless={rootless}).open()
command = lab.popen(["sleep", "1000"])
print(json.dumps([lab.namespace, lab.inside.pid, command.pid]), flush=True)
sys.stdin.read()
"""

TOOLS = """
import signal, subprocess, tapdev
from pyroute2 import netns

def start_owner(source):
    owner = subprocess.Popen([sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    return owner, *json.loads(owner.stdout.readline())

def kill(process):
    process.kill()
    process.wait()

def await_end(*pids):
    import select, contextlib
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            select.select([os.pidfd_open(pid)], [], [])

def names():
    return sorted(os.listdir("/run/netns")) if os.path.exists("/run/netns") else []
"""


def with_tools(script: str, rootless: bool = False) -> str:
    """Returns a script with OWNER and the tools above before it."""
    return f"OWNER = {OWNER.format(rootless=rootless)!r}\n{TOOLS}\n{script}"


@pytest.mark.parametrize("rootless", [False, True], ids=["root", "rootless"])
def test_owner_killed_takes_namespace_and_commands_along(own_machine: Any, tun_device: str, rootless: bool) -> None:
    script = """
owner, name, holder, command = start_owner(OWNER)
before = names()
kill(owner)
await_end(holder, command)
print(json.dumps([name, before, names()]))
"""
    name, before, after = own_machine(with_tools(script, rootless))
    assert name == "wspstack-0"
    assert before == ([] if rootless else ["wspstack-0"])
    assert after == []


def test_owner_killed_with_a_forked_child_left_takes_the_namespace_along(own_machine: Any, tun_device: str) -> None:
    script = """
FORKING = OWNER.replace("print", "import os; child = os.fork()\\nif child == 0: time.sleep(1000)\\nprint")
FORKING = FORKING.replace("command.pid]", "command.pid, child]")
owner, name, holder, command, child = start_owner(FORKING)
kill(owner)
await_end(holder, command)
os.kill(child, signal.SIGKILL)
print(json.dumps(names()))
"""
    assert own_machine(with_tools(script)) == []


LEFTOVER = """
owner, name, holder, command = start_owner(OWNER)
os.kill(holder, signal.SIGKILL)
kill(owner)
"""


def test_owner_and_holder_killed_leave_what_clean_removes(own_machine: Any, tun_device: str) -> None:
    script = """
before = names()
removed = tapdev.clean()
await_end(command)
print(json.dumps([before, removed, names(), tapdev.clean()]))
"""
    before, removed, after, again = own_machine(with_tools(LEFTOVER + script))
    assert before == ["wspstack-0"]
    assert removed == ["wspstack-0"]
    assert after == []
    assert again == []


def test_owner_and_holder_killed_leave_what_the_next_start_removes(own_machine: Any, tun_device: str) -> None:
    script = """
with tapdev.Lab() as lab:
    during = [lab.namespace, names()]
await_end(command)
print(json.dumps([during, names()]))
"""
    during, after = own_machine(with_tools(LEFTOVER + script))
    assert during == ["wspstack-0", ["wspstack-0"]]
    assert after == []


def test_clean_leaves_living_labs_and_what_is_of_others(own_machine: Any, tun_device: str) -> None:
    script = """
netns.create("wspstack-1")
netns.create("other")
with tapdev.Lab() as mine:
    owner, name, holder, command = start_owner(OWNER)
    removed = tapdev.clean()
    during = names()
    alive = owner.poll() is None and mine.run(["true"]).returncode == 0
    owner.stdin.close()
    owner.wait()
print(json.dumps([mine.namespace, name, removed, during, alive]))
"""
    mine, theirs, removed, during, alive = own_machine(with_tools(script))
    assert mine == "wspstack-0"
    assert theirs == "wspstack-2"
    assert removed == []
    assert during == ["other", "wspstack-0", "wspstack-1", "wspstack-2"]
    assert alive


def test_lab_whose_holder_alone_was_killed_is_not_cleaned(own_machine: Any, tun_device: str) -> None:
    script = """
with tapdev.Lab() as lab:
    os.kill(lab.inside.pid, signal.SIGKILL)
    removed = tapdev.clean()
    during = names()
print(json.dumps([removed, during, names()]))
"""
    assert own_machine(with_tools(script)) == [[], ["wspstack-0"], []]


def test_name_never_mounted_is_cleaned_when_old(own_machine: Any, tun_device: str) -> None:
    script = """
with tapdev.Lab(): pass
for name, age in (("wspstack-3", 3600), ("wspstack-4", 0), ("other", 3600)):
    os.close(os.open(f"/run/netns/{name}", os.O_CREAT, 0))
    status = os.stat(f"/run/netns/{name}")
    os.utime(f"/run/netns/{name}", (status.st_atime - age, status.st_mtime - age))
print(json.dumps([tapdev.clean(), names()]))
"""
    assert own_machine(with_tools(script)) == [["wspstack-3"], ["other", "wspstack-4"]]


def test_labs_opened_at_once_by_many_processes_all_get_names_of_their_own(own_machine: Any, tun_device: str) -> None:
    script = """
start, pipe = [sys.executable, "-c", OWNER], subprocess.PIPE
owners = [subprocess.Popen(start, stdin=pipe, stdout=pipe) for _ in range(8)]
told = [json.loads(owner.stdout.readline()) for owner in owners]
during = names()
for owner in owners: kill(owner)
await_end(*[pid for _, holder, command in told for pid in (holder, command)])
print(json.dumps([sorted(name for name, _, _ in told), during, names()]))
"""
    told, during, after = own_machine(with_tools(script))
    assert told == [f"wspstack-{number}" for number in range(8)]
    assert during == told
    assert after == []

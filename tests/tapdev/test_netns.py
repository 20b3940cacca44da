"""Namespaces: commands inside, what stays outside, and what is left when they are closed."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tapdev import Namespace, NamespaceUnavailable
from tapdev.netns import NAMES


@pytest.fixture
def namespace(rootless: bool) -> Iterator[Namespace]:
    with Namespace.create(f"test-netns-{os.getpid()}", rootless=rootless) as made:
        yield made


def is_alive(process: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("status", [0, 3, 255])
def test_command_run_inside_hands_back_its_exit_status(namespace: Namespace, status: int) -> None:
    assert namespace.run(["sh", "-c", f"exit {status}"]).returncode == status


def test_command_killed_by_a_signal_hands_back_the_signal(namespace: Namespace) -> None:
    process = namespace.popen(["sleep", "1000"])
    process.send_signal(signal.SIGUSR1)
    assert process.wait() == -signal.SIGUSR1


def test_command_run_inside_sees_another_network_and_the_caller_does_not(namespace: Namespace) -> None:
    before = os.readlink("/proc/self/ns/net")
    inside = namespace.run(["readlink", "/proc/self/ns/net"], capture_output=True, text=True).stdout.strip()
    assert inside == f"net:[{os.fstat(namespace.fileno()).st_ino}]"
    assert inside != before
    assert {os.readlink(f"/proc/self/task/{task}/ns/net") for task in os.listdir("/proc/self/task")} == {before}


def test_command_run_inside_is_root_there(namespace: Namespace) -> None:
    assert namespace.run(["id", "-u"], capture_output=True, text=True).stdout == "0\n"
    assert namespace.run(["ip", "link", "set", "lo", "up"]).returncode == 0


def test_input_output_directory_and_environment_reach_the_command(namespace: Namespace, tmp_path: Path) -> None:
    result = namespace.run(
        "cat; pwd; echo $WORD ${LC_CTYPE-unset}; echo bad >&2",
        shell=True,
        input="text\n",
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "WORD": "word"},
        capture_output=True,
        text=True,
    )
    assert (result.stdout, result.stderr) == (f"text\n{tmp_path}\nword unset\n", "bad\n")


def test_command_started_inside_finds_default_signals_and_no_stray_descriptor(namespace: Namespace) -> None:
    script = "grep SigIgn /proc/self/status; ls /proc/$$/fd"
    # a shell that starts us in the background has it ignore what the keyboard sends
    outside = subprocess.run(script, shell=True, capture_output=True, text=True).stdout.split()
    lines = namespace.run(script, shell=True, capture_output=True, text=True).stdout.split()
    assert lines[:2] == outside[:2]
    assert int(lines[1], 16) & ~(1 << signal.SIGINT - 1 | 1 << signal.SIGQUIT - 1) == 0
    assert lines[2:] == ["0", "1", "2"]


def test_command_missing_raises_file_not_found(namespace: Namespace) -> None:
    with pytest.raises(FileNotFoundError, match="no-such-command"):
        # A path of its own: a folder that may not be read would make it PermissionError, as in subprocess.
        namespace.run(["no-such-command"], env={"PATH": "/usr/bin:/bin"}, stdout=subprocess.PIPE)


def test_command_forbidden_raises_permission_error(namespace: Namespace, tmp_path: Path) -> None:
    (tmp_path / "file").touch(0o644)
    with pytest.raises(PermissionError, match="file"):
        namespace.popen([tmp_path / "file"])


def test_command_over_its_time_is_killed(namespace: Namespace) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        namespace.run(["sleep", "1000"], timeout=0.05)


def test_command_failing_with_check_raises(namespace: Namespace) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        namespace.run(["false"], check=True)


def test_commands_started_by_many_threads_all_run_inside(namespace: Namespace) -> None:
    seen: list[str] = []

    def start() -> None:
        seen.append(namespace.run(["readlink", "/proc/self/ns/net"], capture_output=True, text=True).stdout.strip())

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [f"net:[{os.fstat(namespace.fileno()).st_ino}]"] * 8


def test_hint_leads_a_person_inside(namespace: Namespace) -> None:
    result = subprocess.run(
        [*namespace.enter_hint.split(), "readlink", "/proc/self/ns/net"], capture_output=True, text=True, check=False
    )
    assert result.stdout.strip() == f"net:[{os.fstat(namespace.fileno()).st_ino}]"


def test_namespace_closed_ends_the_commands_inside(namespace: Namespace) -> None:
    polite = namespace.popen(["sleep", "1000"])
    # The shell's own child would die of the closed pipe; a loop that waits for it does not end by itself.
    stubborn = namespace.popen(
        "trap '' TERM; echo ready; while :; do sleep 1000; done", shell=True, stdout=subprocess.PIPE
    )
    assert stubborn.stdout is not None
    assert stubborn.stdout.readline() == b"ready\n"
    namespace.close()
    assert polite.wait() == -signal.SIGTERM
    assert stubborn.wait() == -signal.SIGKILL
    stubborn.stdout.close()


def test_namespace_closed_leaves_a_process_that_is_not_the_labs(namespace: Namespace) -> None:
    hint = namespace.enter_hint.split()
    with subprocess.Popen([*hint, "sh", "-c", "echo ready; exec sleep 1000"], stdout=subprocess.PIPE) as visitor:
        assert visitor.stdout is not None
        assert visitor.stdout.readline() == b"ready\n"
        namespace.close()
        assert visitor.poll() is None
        visitor.kill()


def test_namespace_closed_leaves_no_descriptor_process_or_name(rootless: bool) -> None:
    before = len(os.listdir("/proc/self/fd"))
    namespace = Namespace.create(f"test-netns-{os.getpid()}", rootless=rootless)
    with namespace.routes() as route:
        assert [message.get("ifname") for message in route.get_links()] == ["lo"]
    holder = namespace.pid
    assert (NAMES / namespace.name).exists() is not rootless
    namespace.close()
    namespace.close()
    assert len(os.listdir("/proc/self/fd")) == before
    assert not is_alive(holder)
    assert not (NAMES / namespace.name).exists()


def test_namespace_closed_cannot_be_used(namespace: Namespace) -> None:
    namespace.close()
    for use in (lambda: namespace.run(["true"]), lambda: namespace.open_tap(), lambda: namespace.fileno()):
        with pytest.raises(ValueError, match="is closed"):
            use()


def test_holder_killed_is_said_and_close_still_cleans(namespace: Namespace) -> None:
    os.kill(namespace.pid, signal.SIGKILL)
    with pytest.raises(NamespaceUnavailable, match="has ended"), namespace.routes():
        pass
    namespace.close()
    assert not (NAMES / namespace.name).exists()


def test_name_taken_raises_file_exists_and_leaves_the_other(root: None) -> None:
    name = f"test-netns-{os.getpid()}"
    with Namespace.create(name, rootless=False) as first:
        with pytest.raises(FileExistsError):
            Namespace.create(name, rootless=False)
        assert os.path.samestat(os.stat(NAMES / name), os.fstat(first.fileno()))


def test_namespace_of_somebody_joined_and_left_stays(root: None) -> None:
    name = f"test-netns-{os.getpid()}"
    with Namespace.create(name, rootless=False) as first:
        with Namespace.join(name) as second:
            inside = second.run(["readlink", "/proc/self/ns/net"], capture_output=True, text=True).stdout.strip()
            assert inside == f"net:[{os.fstat(first.fileno()).st_ino}]"
        assert (NAMES / name).exists()


def test_namespace_joined_and_left_keeps_its_makers_commands_and_ends_its_own(root: None) -> None:
    with Namespace.create(f"test-netns-{os.getpid()}", rootless=False) as first:
        with Namespace.join(first.name) as second:
            kept, ended = (each.popen(["sleep", "1000"]) for each in (first, second))
        assert ended.wait(10) == -signal.SIGTERM
        assert kept.poll() is None
    assert kept.wait(10) == -signal.SIGTERM


def test_namespace_unknown_cannot_be_joined() -> None:
    with pytest.raises(NamespaceUnavailable, match="'no-such-name'"):
        Namespace.join("no-such-name")

"""What `wspstack ss` and `stat` say of a live connection, beside what ss and nstat say of the kernel's end of it."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stack.applications.stream import StreamSocket
from stack.cli.ss_words import info_words
from tests.cli.commands import wspstack
from tests.live.host import LiveHost, live_host, serving, wait_until

pytestmark = pytest.mark.live

PORT = 4000
ASKED, ANSWERED = 5_000, 300_000  # bytes
CLIENT = f"""if 1:
    import socket, sys
    connection = socket.create_connection((sys.argv[1], {PORT}))
    connection.sendall(bytes({ASKED}))
    left = {ANSWERED}
    while left:
        left -= len(connection.recv(left))
    print("paused", flush=True)
    sys.stdin.readline()"""


def serve(connection: StreamSocket) -> None:
    """Takes the question, gives the answer, waits for the end."""
    buffer, left = memoryview(bytearray(ASKED)), ASKED
    while left:
        left -= connection.receive_into(buffer[:left])
    connection.send(bytes(ANSWERED))
    assert connection.receive_into(buffer) == 0
    connection.finish()


def kernel_info(host: LiveHost) -> dict[str, str]:
    """Word -> value of `ss -ti` for the kernel's end; the four columns before as State, Recv-Q and so on."""
    told = host.run("ss", "-tinHO", "dst", host.address)
    assert told.returncode == 0, told.stderr
    (line,) = told.stdout.splitlines()
    state, received, unacknowledged, local, remote, *words = line.split()
    named = dict(re.findall(r"([a-z_]+):(\S+)", " ".join(words)))
    return {**named, "State": state, "Recv-Q": received, "Send-Q": unacknowledged, "Local": local, "Peer": remote}


def ours(path: Path, *arguments: str) -> Any:
    """What a `wspstack` command says of the stack as JSON."""
    told = wspstack(*arguments, "--json", "--stack", str(path))
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


def test_both_ends_of_a_connection_tell_the_same_of_it(programs: Callable[..., None], tmp_path: Path) -> None:
    programs(ss="iproute2")
    path = tmp_path / "control.sock"
    # without superframes, so that segments are what both count
    with live_host(offloads=False, control=str(path), tunables={"connection_statistics": 1}) as host:
        with serving(host, PORT, serve) as results:
            command = [sys.executable, "-c", CLIENT, host.address]
            with host.lab.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
                assert client.stdout is not None
                assert client.stdout.readline() == "paused\n"
                wait_until(lambda: is_all_acknowledged(path), 20, lambda: f"not acknowledged: {sockets(path)}")
                (row,) = sockets(path)
                kernel = kernel_info(host)
                text = wspstack("ss", "-ti", "--stack", str(path))
                client.communicate("\n", timeout=20)
            assert results.get(timeout=20) is None
        counters = ours(path, "stat", "--all")["counters"]
    info = {name.removeprefix("tcpi_"): value for name, value in row["info"].items()}
    assert (row["state"], kernel["State"]) == ("ESTABLISHED", "ESTAB")
    assert f"{row['local']}:{row['local_port']}" == kernel["Peer"]
    assert f"{row['remote']}:{row['remote_port']}" == kernel["Local"]
    assert (kernel["Recv-Q"], kernel["Send-Q"]) == (str(row["recv_q"]), str(row["send_q"])) == ("0", "0")
    # what one has sent the other has received; the kernel counts its SYN among what was acknowledged
    assert info["bytes_acked"] == info["bytes_sent"] == int(kernel["bytes_received"]) == ANSWERED
    assert info["bytes_received"] == int(kernel["bytes_acked"]) - 1 == int(kernel["bytes_sent"]) == ASKED
    assert info["data_segs_out"] == int(kernel["data_segs_in"])
    assert info["data_segs_in"] == int(kernel["data_segs_out"])
    assert info["segs_out"] == int(kernel["segs_in"])
    # the SYN made our connection, which counts from there on
    assert info["segs_in"] == int(kernel["segs_out"]) - 1
    assert info["total_retrans"] == 0
    # what both were told in the handshake
    assert kernel["wscale"] == f"{info['rcv_wscale']},{info['snd_wscale']}"
    assert [info[name] for name in ("snd_mss", "advmss", "pmtu")] == [
        int(kernel[word]) for word in ("mss", "advmss", "pmtu")
    ]
    assert 0 < info["min_rtt"] <= info["rtt"]
    # the words of ss are those of ss
    detail = text.stdout.splitlines()[-1]
    assert "cubic" in detail
    assert f"bytes_acked:{ANSWERED}" in detail
    known = set(kernel) | {"snd_wnd", "rcv_wnd", "ssthresh", "retrans", "rcv_rtt", "rcv_space", "minrtt", "notsent"}
    known |= {"busy", "rwnd_limited", "sndbuf_limited"}
    assert set(re.findall(r"([a-z_]+):", info_words(row["info"], row["congestion"]))) - known == set()
    # and the counters of the stack, whose only connection it was
    assert counters["Tcp"]["PassiveOpens"] == 1
    assert counters["Tcp"]["RetransSegs"] == 0
    assert counters["Tcp"]["InSegs"] > info["segs_in"]


def sockets(path: Path) -> list[dict[str, Any]]:
    """The connections, as `wspstack ss --json` has them."""
    rows: list[dict[str, Any]] = ours(path, "ss")["connections"]
    return rows


def is_all_acknowledged(path: Path) -> bool:
    """Whether nothing is under way any more, the delayed ACK of what came included."""
    rows = sockets(path)
    return len(rows) == 1 and rows[0]["send_q"] == 0 and rows[0]["timer"] is None

"""What events mean: times, numbers, calls that block, and settings."""

import pytest

from stack.packetdrill.failures import ScriptFailure, Unsupported
from tests.packetdrill.conftest import Run

SECOND = 1_000_000_000


def test_minute_of_silence_takes_no_time(play: Run) -> None:
    sent = "+0 write(4, ..., 100) = 100\n+0 > P. 1:101(100) ack 1\n+.1 < . 1:1(0) ack 101 win 9\n"
    result = play(sent + "+60 close(4) = 0", "connected")
    assert result.duration == 60_100_000_000


def test_blocking_call_returns_when_what_it_waits_for_comes(play: Run) -> None:
    play("+0...0.2 read(4, ..., 100) = 10\n+.2 < P. 1:11(10) ack 1 win 9000", "connected")


def test_end_of_a_blocking_call_counts_from_what_its_begin_counts_from(play: Run) -> None:
    play("+1 close(3) = 0\n+.1...0.3 read(4, ..., 100) = 10\n+.2 < P. 1:11(10) ack 1 win 9000", "connected")


def test_events_go_on_while_two_calls_block(play: Run) -> None:
    play(
        "+0...0.3 accept(3, ..., ...) = 5\n+0...0.1 read(4, ..., 100) = 10\n+.1 < P. 1:11(10) ack 1 win 9000\n"
        "+0 > . 1:1(0) ack 11\n+.1 < 999 > 8080 S 0:0(0) win 9000 <mss 1000>\n"
        "+0 > 8080 > 999 S. 0:0(0) ack 1 <mss 1460>\n"
        "+.1 < . 1:1(0) ack 1 win 9000",
        "connected",
    )


def test_blocking_connect_ends_with_the_handshake(play: Run) -> None:
    play(
        "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+.1...0.2 connect(3, ..., ...) = 0\n"
        "+0 > S 0:0(0) <...>\n+.1 < S. 0:0(0) ack 1 win 5000 <mss 1000>\n+0 > . 1:1(0) ack 1"
    )


def test_time_limit_of_a_receive_ends_it(play: Run) -> None:
    play(
        "+0 setsockopt(4, SOL_SOCKET, SO_RCVTIMEO, {tv_sec=1, tv_usec=500000}, 16) = 0\n"
        "+0...1.5 read(4, ..., 100) = -1 EAGAIN (no)",
        "connected",
    )


def test_poll_waits_for_its_time_and_for_events(play: Run) -> None:
    play(
        "+0...0.1 poll([{fd=4, events=POLLIN, revents=0}], 1, 100) = 0\n"
        "+.2...0.5 poll([{fd=4, events=POLLIN, revents=POLLIN}], 1, -1) = 1\n+.3 < P. 1:11(10) ack 1 win 9000",
        "connected",
    )


def test_relative_time_counts_from_where_a_range_came_true(play: Run) -> None:
    play(
        "+0 write(4, ..., 100) = 100\n+0 > P. 1:101(100) ack 1\n+.5~+2 > P. 1:101(100) ack 1\n"
        "+2 > P. 1:101(100) ack 1\n* > P. 1:101(100) ack 1\n+8 > P. 1:101(100) ack 1",
        "connected",
    )


@pytest.mark.parametrize(("tolerance", "holds"), [("4000", False), ("6000", True)])
def test_tolerance_decides_how_far_a_time_may_be_off(play: Run, tolerance: str, holds: bool) -> None:
    lines = "+0 write(4, ..., 100) = 100\n+0.005 > P. 1:101(100) ack 1"
    if holds:
        play(lines, "connected", tolerance_usecs=tolerance)
    else:
        with pytest.raises(ScriptFailure):
            play(lines, "connected", tolerance_usecs=tolerance)


def test_segments_are_joined_to_the_longer_one_that_is_expected(play: Run) -> None:
    play("+0 write(4, ..., 3000) = 3000\n+0 > P. 1:3001(3000) ack 1", "connected")


def test_strict_segments_are_not_joined(play: Run) -> None:
    with pytest.raises(ScriptFailure, match=r"1:1001\(1000\)"):
        play("+0 write(4, ..., 3000) = 3000\n+0 > P. 1:3001(3000) ack 1", "connected", strict_segments="")


HANDSHAKE = "+0 < S 0:0(0) win 9000 <mss 1000,sackOK,TS val 5 ecr 0,nop,wscale 2>\n"


def test_push_is_not_compared_when_asked_for(play: Run) -> None:
    lines = "+0 write(4, ..., 100) = 100\n+0 > . 1:101(100) ack 1"
    play(lines, "connected", push="any")
    with pytest.raises(ScriptFailure, match="differs in flags"):
        play(lines, "connected")


def test_tolerance_in_percent_is_that_of_the_time_since_the_event_before(play: Run) -> None:
    lines = "+0 write(4, ..., 100) = 100\n+0 > P. 1:101(100) ack 1\n+1.1 > P. 1:101(100) ack 1"
    play(lines, "connected", tolerance_percent="12.5")
    with pytest.raises(ScriptFailure, match="differs in time"):
        play(lines, "connected", tolerance_percent="5")


def test_error_that_the_script_does_not_name_is_not_compared(play: Run) -> None:
    play("+0 read(9, ..., 10) = -1\n+0 shutdown(4, SHUT_RDWR) = 0\n+0 write(4, ..., 1) = -1", "connected")


def test_timestamps_are_compared_when_the_script_says_their_unit(play: Run) -> None:
    lines = HANDSHAKE + "+0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK,nop,wscale 9,nop,nop,TS val 100 ecr 5>\n"
    lines += "+.1 < . 1:1(0) ack 1 win 9000 <nop,nop,TS val 6 ecr 100>\n+0 accept(3, ..., ...) = 4\n"
    lines += "+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1 <nop,nop,TS val 100 ecr 6>"
    play(lines, "listening")
    with pytest.raises(ScriptFailure, match="differs in options"):
        play(lines, "listening", tcp_ts_tick_usecs="1000")


def test_echoed_timestamp_is_the_one_that_the_script_calls_so(play: Run) -> None:
    play(
        HANDSHAKE
        + "+0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK,nop,wscale 9,nop,nop,TS val 0 ecr 5>\n"
        + "+.1 < . 1:1(0) ack 1 win 9000 <nop,nop,TS val 6 ecr 0>\n+0 accept(3, ..., ...) = 4\n"
        + "+1 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1 <nop,nop,TS val 0 ecr 6>\n"
        + "+.1 < . 1:1(0) ack 11 win 9000 <nop,nop,TS val 7 ecr 0>\n+0 %{ assert tcpi_rtt == 100000, tcpi_rtt }%",
        "listening",
    )


@pytest.mark.parametrize(
    ("setting", "options"),
    [
        ("net.inet.tcp.rfc1323=0", "mss 1460,nop,nop,sackOK"),
        ("net.inet.tcp.rfc1323=2", "mss 1460,nop,nop,sackOK,nop,wscale 9"),
        ("net.inet.tcp.sack.enable=0", "mss 1460,nop,wscale 9,nop,nop,TS val 1 ecr 0"),
        ("kern.ipc.maxsockbuf=2097152", "mss 1460,nop,nop,sackOK,nop,wscale 6,nop,nop,TS val 1 ecr 0"),
    ],
)
def test_settings_of_freebsd_are_taken_over(play: Run, setting: str, options: str) -> None:
    play(
        f"0 `sysctl -w {setting}`\n+0.05 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
        "+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n+0 connect(3, ..., ...) = -1 EINPROGRESS (no)\n"
        f"+0 > S 0:0(0) <{options}>"
    )


@pytest.mark.parametrize("kind", ["timestamp_request", "address_mask_reply", "type_255 code_0", "unreachable code_255"])
def test_every_type_of_icmp_can_be_sent(play: Run, kind: str) -> None:
    play(f"+0 < icmp {kind}\n+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1", "connected")


def test_state_without_a_connection_is_told(play: Run) -> None:
    play("+0 %{ assert tcpi_state == TCP_LISTEN, tcpi_state }%", "listening")
    play("0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 %{ assert tcpi_state == TCP_CLOSE, tcpi_state }%")


def test_any_order_of_options_is_taken_when_asked_for(play: Run) -> None:
    lines = HANDSHAKE + "+0 > S. 0:0(0) ack 1 <mss 1460,sackOK,TS val 77 ecr 5,nop,wscale 9>"
    play(lines, "listening", option_order="any")
    with pytest.raises(ScriptFailure, match="differs in options"):
        play(lines, "listening")


def test_timestamps_are_in_the_numbers_of_the_script(play: Run) -> None:
    play(
        HANDSHAKE
        + "+0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK,nop,wscale 9,nop,nop,TS val 100 ecr 5>\n"
        + "+.05 < . 1:1(0) ack 1 win 9000 <nop,nop,TS val 6 ecr 100>\n+0 accept(3, ..., ...) = 4\n"
        + "+0 %{ assert tcpi_rtt == 50000, tcpi_rtt }%\n"
        + "+.1 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1 <nop,nop,TS val 250 ecr 6>",
        "listening",
    )


def test_sack_blocks_go_both_ways_in_the_numbers_of_the_script(play: Run) -> None:
    play(
        "+0 < S 100:100(0) win 32000 <mss 1000,sackOK,nop,nop>\n+0 > S. 0:0(0) ack 101 <mss 1460,nop,nop,sackOK>\n"
        "+0 < . 1:1(0) ack 1 win 32000\n+0 accept(3, ..., ...) = 4\n+0 < . 1001:2001(1000) ack 1 win 32000\n"
        "+0 > . 1:1(0) ack 1 <nop,nop,sack 1001:2001>\n+0 write(4, ..., 4000) = 4000\n"
        "+0 > . 1:1001(1000) ack 1 <...>\n+0 > . 1001:2001(1000) ack 1 <...>\n"
        "+0 > . 2001:3001(1000) ack 1 <...>\n+0 > P. 3001:4001(1000) ack 1 <...>\n"
        "+.1 < . 1:1(0) ack 1 win 32000 <nop,nop,sack 1001:4001>\n+0 > . 1:1001(1000) ack 1 <...>",
        "listening",
    )


def test_write_takes_what_the_buffer_has_room_for(play: Run) -> None:
    play(
        "+0 setsockopt(4, SOL_SOCKET, SO_SNDBUF, [5000], 4) = 0\n+0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n"
        "+0 write(4, ..., 9000) = 5000\n+0 write(4, ..., 10) = -1 EAGAIN (Resource temporarily unavailable)\n"
        "+0 > P. 1:5001(5000) ack 1\n+.1 < . 1:1(0) ack 2001 win 32000\n+0 write(4, ..., 9000) = 2000",
        "connected",
    )


def test_blocking_write_goes_on_as_room_is_made(play: Run) -> None:
    play(
        "+0 setsockopt(4, SOL_SOCKET, SO_SNDBUF, [5000], 4) = 0\n+0...0.2 write(4, ..., 9000) = 9000\n"
        "+0 > P. 1:5001(5000) ack 1\n+.1 < . 1:1(0) ack 2001 win 32000\n+0 > P. 5001:7001(2000) ack 1\n"
        "+.1 < . 1:1(0) ack 7001 win 32000\n+0 > P. 7001:9001(2000) ack 1",
        "connected",
    )


def test_blocking_write_to_a_full_buffer_waits_for_room(play: Run) -> None:
    play(
        "+0 setsockopt(4, SOL_SOCKET, SO_SNDBUF, [5000], 4) = 0\n+0 write(4, ..., 5000) = 5000\n"
        "+0 > P. 1:5001(5000) ack 1\n+0...0.2 write(4, ..., 3000) = 3000\n+.1 < . 1:1(0) ack 2001 win 32000\n"
        "+0 > P. 5001:7001(2000) ack 1\n+.1 < . 1:1(0) ack 7001 win 32000\n+0 > P. 7001:8001(1000) ack 1",
        "connected",
    )


def test_time_limit_of_a_send_ends_it(play: Run) -> None:
    play(
        "+0 setsockopt(4, SOL_SOCKET, SO_SNDBUF, [5000], 4) = 0\n+0 write(4, ..., 5000) = 5000\n"
        "+0 setsockopt(4, SOL_SOCKET, SO_SNDTIMEO, {tv_sec=0, tv_usec=100000}, 16) = 0\n"
        "+0...0.1 write(4, ..., 3000) = -1 EAGAIN (no)",
        "connected",
    )


def test_blocking_write_of_a_connection_that_ends_tells_what_it_took(play: Run) -> None:
    play(
        "+0 setsockopt(4, SOL_SOCKET, SO_SNDBUF, [5000], 4) = 0\n+0...0.1 write(4, ..., 9000) = 5000\n"
        "+.1 < R 1:1(0) win 0\n+0 write(4, ..., 10) = -1 ECONNRESET (Connection reset by peer)",
        "connected",
    )


def test_numbers_of_a_syn_are_absolute_and_all_others_count_from_it(play: Run) -> None:
    play(
        "+0 < S 700:700(0) win 32000 <mss 1000,sackOK,nop,nop>\n+0 > S. 30:30(0) ack 701 <mss 1460,nop,nop,sackOK>\n"
        "+0 < . 1:1(0) ack 1 win 32000\n+0 accept(3, ..., ...) = 4\n+0 < P. 11:21(10) ack 1 win 32000\n"
        "+0 > . 1:1(0) ack 1 <nop,nop,sack 11:21>\n+0 < P. 1:11(10) ack 1 win 32000\n+0 > . 1:1(0) ack 21\n"
        "+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 21\n+.1 < . 21:21(0) ack 11 win 32000\n"
        "+.1 < S 900:900(0) win 32000\n+0 > . 11:11(0) ack 21",
        "listening",
    )


def test_peer_of_an_active_open_may_begin_anywhere(play: Run) -> None:
    play(
        "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0...0.1 connect(3, ..., ...) = 0\n+0 > S 0:0(0) <...>\n"
        "+.1 < S. 123:123(0) ack 1 win 5000 <mss 1000>\n+0 > . 1:1(0) ack 1\n+0 < F. 1:1(0) ack 1 win 5000\n"
        "+0 > . 1:1(0) ack 2"
    )


def test_error_of_a_connection_is_told_once(play: Run) -> None:
    play(
        "+0 < R. 1:1(0) ack 1 win 0\n+0 read(4, ..., 10) = -1 ECONNRESET (Connection reset by peer)\n"
        "+0 read(4, ..., 10) = 0\n+0 write(4, ..., 10) = -1 EPIPE (Broken pipe)",
        "connected",
    )


def test_error_option_tells_what_ended_the_connection(play: Run) -> None:
    play(
        "+0 < R. 1:1(0) ack 1 win 0\n+0 getsockopt(4, SOL_SOCKET, SO_ERROR, [ECONNRESET], [4]) = 0\n"
        "+0 getsockopt(4, SOL_SOCKET, SO_ERROR, [0], [4]) = 0",
        "connected",
    )


def test_names_given_to_descriptors_are_the_scripts(play: Run) -> None:
    play(
        "+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 77\n+0 close(77) = 0\n+0 close(77) = -1 EBADF (Bad file descriptor)"
    )


def test_bytes_that_wait_are_counted_by_ioctl(play: Run) -> None:
    play(
        "+0 < P. 1:501(500) ack 1 win 9000\n+0 ioctl(4, SIOCINQ, [500]) = 0\n+0 read(4, ..., 200) = 200\n"
        "+0 ioctl(4, FIONREAD, [300]) = 0\n+0 write(4, ..., 70) = 70\n+0 ioctl(4, SIOCOUTQ, [70]) = 0",
        "connected",
    )


def test_settings_of_the_kernel_are_taken_over_and_the_rest_is_noted(play: Run) -> None:
    result = play(
        "`./defaults.sh\nsysctl -q net.ipv4.tcp_sack=0 net.ipv4.tcp_frobs=1\n"
        "echo 0 > /proc/sys/net/ipv4/tcp_timestamps\n"
        "./set.py /proc/sys/net/ipv4/tcp_window_scaling=0`\n"
        "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n"
        "+0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)\n+0 > S 0:0(0) <mss 1460>\n+0 `ss -t`"
    )
    notes = [f"{place.line} {note}" for place, note in result.notes]
    assert [note[:19] for note in notes] == ["1 `./defaults.sh` i", "2 net.ipv4.tcp_frob", "9 `ss -t` is not ru"]


@pytest.mark.parametrize("call", ["read(4, ..., 9)", "write(4, ..., 9)"])
def test_keepalive_of_the_kernel_is_taken_over(play: Run, call: str) -> None:
    play(
        "`sysctl -q net.ipv4.tcp_keepalive_time=10 net.ipv4.tcp_keepalive_intvl=2\n"
        "echo -n 1 > /proc/sys/net/ipv4/tcp_keepalive_probes`\n"
        "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n"
        "+0 < S 0:0(0) win 32000 <mss 1000>\n+0 > S. 0:0(0) ack 1 <mss 1460>\n+0 < . 1:1(0) ack 1 win 32000\n"
        "+0 accept(3, ..., ...) = 4\n+0 setsockopt(4, SOL_SOCKET, SO_KEEPALIVE, [1], 4) = 0\n"
        "+10 > . 0:0(0) ack 1\n+2 > R. 1:1(0) ack 1\n"
        f"+0 {call} = -1 ETIMEDOUT (Connection timed out)\n+0 read(4, ..., 9) = 0\n+0 write(4, ..., 9) = -1 EPIPE (no)"
    )


def test_discovery_of_path_mtus_is_switched_off_by_what_switches_it_off(play: Run) -> None:
    play(
        "`sysctl -q net.ipv4.ip_no_pmtu_disc=1`\n"
        "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n"
        "+0 < S 0:0(0) win 32000 <mss 1460>\n+0 > S. 0:0(0) ack 1 <mss 1460>\n+0 < . 1:1(0) ack 1 win 32000\n"
        "+0 accept(3, ..., ...) = 4\n+0 write(4, ..., 2920) = 2920\n+0 > P. 1:2921(2920) ack 1\n"
        "+0 < [1:1461(1460)] icmp unreachable frag_needed mtu 1000\n+0.1 < . 1:1(0) ack 2921 win 32000\n"
        "+0 write(4, ..., 1460) = 1460\n+0 > P. 2921:4381(1460) ack 1"
    )


def test_commands_are_never_run(play: Run, tmp_path: object) -> None:
    play(f"`touch {tmp_path}/ran`\n0 `touch {tmp_path}/ran`")
    from pathlib import Path

    assert not list(Path(str(tmp_path)).iterdir())


def test_initial_window_and_algorithm_are_taken_over(play: Run) -> None:
    play(
        "`ip route change x initcwnd 3\nsysctl -w net.ipv4.tcp_congestion_control=reno`\n"
        "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n"
        "+0 < S 0:0(0) win 32000 <mss 1000>\n+0 > S. 0:0(0) ack 1 <mss 1460>\n+0 < . 1:1(0) ack 1 win 32000\n"
        "+0 accept(3, ..., ...) = 4\n+0 %{ assert tcpi_snd_cwnd == 3 }%\n"
        '+0 getsockopt(4, SOL_TCP, TCP_CONGESTION, "newreno", [10]) = 0'
    )


@pytest.mark.parametrize("option", ["ip_version=ipv6", "frobs=1", "mtu=large", "local_ip=10.0.0.300"])
def test_option_that_cannot_be_followed_is_told(play: Run, option: str) -> None:
    with pytest.raises(Unsupported, match=f"--{option.partition('=')[0]}"):
        play(f"--{option}\n0 < . 1:1(0)")


def test_options_that_have_no_effect_here_are_taken(play: Run) -> None:
    play("--wire_client\n--wire_server_ip=10.0.0.9\n--verbose\n--tcp_ts_tick_usecs=1000\n0 < . 1:1(0) ack 1 win 1")


def test_reply_to_an_echo_request_is_passed_over_when_a_segment_is_awaited(play: Run) -> None:
    lines = "+0 < icmp echo_request id 7\n+0 write(4, ..., 10) = 10\n"
    play(lines + "+0 > P. 1:11(10) ack 1", "connected")
    play(lines + "+0 > icmp echo_reply\n+0 > P. 1:11(10) ack 1", "connected")

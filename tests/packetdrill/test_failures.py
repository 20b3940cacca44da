"""A script that does not come true says where, and shows what it expected beside what was seen."""

import pytest

from stack.packetdrill.failures import ScriptFailure, ScriptProblem, Unsupported
from stack.packetdrill.script import Place
from tests.packetdrill.conftest import Run


def failure(play: Run, lines: str, beginning: str = "connected", **overrides: str) -> ScriptFailure:
    with pytest.raises(ScriptFailure) as caught:
        play(lines, beginning, **overrides)
    return caught.value


def rows(problem: ScriptProblem) -> dict[str, list[str]]:
    """The table of a message: the cells of each row behind its name."""
    lines = [line.split() for line in str(problem).splitlines()]
    return {line[0]: line[1:] for line in lines if line}


def test_packet_with_another_number_is_shown_beside_the_expected_one(play: Run) -> None:
    problem = failure(play, "+0 write(4, ..., 100) = 100\n  +0 > P. 1:101(100) ack 2 win 7")
    assert problem.place == Place(9, 3)
    assert "the packet differs in ack, win" in str(problem)
    table = rows(problem)
    assert table["ack"] == ["2", "1", "<--"]
    assert table["seq"] == ["1:101(100)", "1:101(100)"]
    assert table["win"] == ["7", "65535", "<--"]
    assert str(problem).splitlines()[-1].strip() == "+0 > P. 1:101(100) ack 2 win 7"


def test_packet_with_other_flags_is_shown(play: Run) -> None:
    table = rows(failure(play, "+0 write(4, ..., 100) = 100\n+0 > . 1:101(100) ack 1"))
    assert table["flags"] == [".", "P.", "<--"]


def test_packet_with_other_options_is_shown(play: Run) -> None:
    problem = failure(play, "+0 < S 0:0(0) win 9 <mss 1000>\n+0 > S. 0:0(0) ack 1 <mss 1460,nop>", "listening")
    assert rows(problem)["options"] == ["mss", "1460,nop", "mss", "1460", "<--"]


def test_packet_of_another_kind_is_shown(play: Run) -> None:
    problem = failure(play, "+0 write(4, ..., 100) = 100\n+0 > udp (100)")
    assert "> udp (100)" in str(problem)
    assert "1:101(100)" in str(problem)


def test_packet_that_comes_too_early_is_shown_with_both_times(play: Run) -> None:
    problem = failure(play, "+0 write(4, ..., 100) = 100\n+.1 > P. 1:101(100) ack 1")
    assert rows(problem)["time"] == ["0.100000", "0.000000", "<--"]


def test_packet_that_does_not_come_is_told_with_the_next_timeout(play: Run) -> None:
    problem = failure(play, "+0 write(4, ..., 100) = 100\n+0 > P. 1:101(100) ack 1\n+.1 > P. 1:101(100) ack 1")
    assert problem.place == Place(10, 1)
    assert "no packet was seen by 0.104000; the next time-out is at 1.000000" in str(problem)


def test_packet_that_will_never_come_is_told(play: Run) -> None:
    assert "nothing more will be sent of itself" in str(failure(play, "* > . 1:1(0) ack 1"))


def test_call_with_another_result_is_told(play: Run) -> None:
    assert "write() returned 10, expected 11" in str(failure(play, "+0 write(4, ..., 10) = 11"))


def test_call_with_another_error_is_told(play: Run) -> None:
    problem = failure(play, "+0 read(9, ..., 10) = -1 EAGAIN (no)")
    assert "read() returned -1 EBADF, expected -1 EAGAIN" in str(problem)


def test_call_that_blocks_unexpectedly_is_told(play: Run) -> None:
    assert "read() blocks" in str(failure(play, "+0 read(4, ..., 10) = 10"))


def test_call_that_returns_too_early_is_told(play: Run) -> None:
    problem = failure(play, "+0...0.5 read(4, ..., 10) = 10\n+.1 < P. 1:11(10) ack 1 win 9\n+1 close(4) = 0")
    assert "read() returned at 0.100000, expected to return at 0.500000" in str(problem)
    assert problem.place == Place(8, 1)


def test_call_that_does_not_return_in_time_is_told(play: Run) -> None:
    problem = failure(play, "+0...0.1 read(4, ..., 10) = 10\n+.5 < P. 1:11(10) ack 1 win 9")
    assert "read() still blocks at 0.500000, expected to return at 0.100000" in str(problem)


def test_call_that_never_returns_is_told_at_the_end(play: Run) -> None:
    assert "still blocks" in str(failure(play, "+0...0.1 read(4, ..., 10) = 10"))


def test_time_that_goes_back_is_told(play: Run) -> None:
    problem = failure(play, "2 close(3) = 0\n1 close(4) = 0")
    assert "time goes back, to 1.000000 from 2.000000" in str(problem)


def test_assertion_that_does_not_hold_shows_its_line_and_the_values(play: Run) -> None:
    problem = failure(play, "+0 %{\nx = 10\nassert tcpi_snd_cwnd == x + 1, 'window'\n}%")
    assert problem.place == Place(8, 1)
    assert "AssertionError: window" in str(problem)
    assert "assert tcpi_snd_cwnd == x + 1" in str(problem)
    assert "tcpi_snd_cwnd = 10" in str(problem)


def test_code_that_is_no_python_is_told(play: Run) -> None:
    assert "SyntaxError" in str(failure(play, "+0 %{ assert }}} }%"))


def test_code_that_ends_the_process_ends_the_script_alone(play: Run) -> None:
    assert "SystemExit: 3" in str(failure(play, "+0 %{ import sys; sys.exit(3) }%"))


def test_setting_that_the_core_cannot_work_with_is_told(play: Run) -> None:
    with pytest.raises(Unsupported, match="receive_buffer is 0, but must be between 1 and"):
        play("`sysctl -q net.ipv4.tcp_rmem='4096 0 0'`\n0 < . 1:1(0)")


def test_poll_with_other_events_is_told(play: Run) -> None:
    problem = failure(play, "+0 poll([{fd=4, events=POLLOUT, revents=POLLIN}], 1, 0) = 1")
    assert "revents is POLLOUT, expected POLLIN" in str(problem)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("+0 %{ assert tcpi_frobs == 1 }%", "tcpi_frobs is not known here; there are: tcpi_advmss"),
        ("+0 psp_rx_assoc(4, [7]) = 0", "psp_rx_assoc() is not supported"),
        ("+0 setsockopt(4, SOL_TCP, TCP_CORK, [1], 4) = 0", "the option SOL_TCP TCP_CORK has no counterpart"),
        ("+0 send(4, ..., 10, MSG_EOR) = 10", "the flags MSG_EOR are not supported"),
        ("+0 write(4, ..., 99999999999) = 5", "99999999999 bytes, where 0 to 1073741824 can be moved"),
        ("+0 read(4, ..., -1) = 5", "-1 bytes, where"),
        ("+0 readv(4, [{..., 9}, {..., 0xfffffffff}], 2) = 5", "68719476735 bytes, where"),
        ("+0 socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP) = 5", "only AF_INET is supported yet"),
        ("+0 %{ assert SK_MEMINFO_RCVBUF == 1 }%", "SK_MEMINFO_RCVBUF is not known here"),
        ("+0 setsockopt(4, SOL_SOCKET, SO_DONTROUTES, [1], 4) = 0", "SO_DONTROUTES has no counterpart"),
        ("+0 < gre: . 1:1(0)", "packets within other packets are not supported"),
        ("+0 socket(..., SOCK_STREAM, IPPROTO_MPTCP) = 5", "only IPPROTO_TCP and IPPROTO_UDP are supported"),
        ("+0 < encap psp spi 7 . 1:1(0)", "packets of PSP are not supported"),
        ("+0 > sctp: INIT[flgs=0,\n  tag=1]", "packets of SCTP are not supported"),
        ("+0 < addr[a0] > addr[b0] S 0:0(0)", "packets of several addresses are not supported"),
        ("+0 < S 0:0(0) win 9 { mut tcp mss }", "packets that are changed on their way are not supported"),
        ("+0 < . 1:1(0) <dss dack4=1 nocs fin,nop>", "dss dack4=1 nocs fin: multipath TCP has no counterpart"),
        ("+0 recvmsg(4, {msg_iov(1)=[{..., 9}], msg_control=[{cmsg_type=X}]}, 0) = 9", "the control message"),
        ("+0 < icmpv6 unreachable port_unreachable", "only IPv4 is supported yet"),
        ("+0 < icmp unreachable frobs", "'frobs' is no code of unreachable"),
        ("+0 listen(4) = 0", "another number of arguments than 1"),
    ],
)
def test_what_the_stack_does_not_have_is_named_with_its_place(play: Run, lines: str, words: str) -> None:
    with pytest.raises(Unsupported) as caught:
        play(lines, "connected")
    assert words in str(caught.value)
    assert caught.value.place == Place(8, 1)


def test_datagrams_are_named_as_not_supported(play: Run) -> None:
    lines = "0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3\n+0 sendto(3, ..., 10, 0, ..., ...) = 10"
    with pytest.raises(Unsupported, match="sending and receiving datagrams is not supported yet"):
        play(lines)

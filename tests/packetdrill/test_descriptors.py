"""Descriptors that are no sockets: sets of epoll, files, pipes; and what recvmsg tells beside the text."""

import pytest

from stack.packetdrill.failures import ScriptFailure
from tests.packetdrill.conftest import Run

EPOLL = (
    "+0 epoll_create(1) = 5\n+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN|EPOLLOUT%s, fd=4}) = 0\n"
    "+0 epoll_wait(5, {events=EPOLLOUT, fd=4}, 1, 0) = 1\n"
)


def test_epoll_tells_what_holds_each_time(play: Run) -> None:
    again = "+0 epoll_wait(5, {events=EPOLLIN|EPOLLOUT, fd=4}, 1, 0) = 1\n"
    play(EPOLL % "" + "+0 < P. 1:11(10) ack 1 win 9000\n" + again + again + "+0 close(5) = 0", "connected")


def test_edges_of_epoll_are_told_once_and_again_with_new_data(play: Run) -> None:
    nothing = "+0 epoll_wait(5, {events=0, ptr=0}, 1, 0) = 0\n"
    arrived = "+0 epoll_wait(5, {events=EPOLLIN|EPOLLOUT, fd=4}, 1, 0) = 1\n"
    play(
        EPOLL % "|EPOLLET"
        + nothing
        + "+0 < P. 1:11(10) ack 1 win 9000\n"
        + arrived
        + nothing
        + "+0 < P. 11:21(10) ack 1 win 9000\n"
        + arrived
        + nothing,
        "connected",
    )


def test_epoll_waits_until_something_happens_or_its_time_is_over(play: Run) -> None:
    play(
        "+0 epoll_create1(0) = 5\n+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN, u32=77}) = 0\n"
        "+0...0.1 epoll_wait(5, {events=EPOLLIN, u32=77}, 1, -1) = 1\n+.1 < P. 1:11(10) ack 1 win 9000\n"
        "+0 read(4, ..., 10) = 10\n+0...0.2 epoll_wait(5, ..., 1, 200) = 0",
        "connected",
    )


def test_epoll_refuses_what_posix_programs_may_not_ask(play: Run) -> None:
    play(
        EPOLL % "" + "+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN, fd=4}) = -1 EEXIST (File exists)\n"
        "+0 epoll_ctl(5, EPOLL_CTL_MOD, 3, {events=EPOLLIN, fd=3}) = -1 ENOENT (No such file)\n"
        "+0 epoll_ctl(5, EPOLL_CTL_DEL, 4, NULL) = 0\n+0 epoll_wait(5, ..., 1, 0) = 0\n"
        "+0 epoll_wait(4, ..., 1, 0) = -1 EINVAL (Invalid argument)\n+0 epoll_wait(9, ..., 1, 0) = -1 EBADF (Bad)",
        "connected",
    )


def test_event_of_epoll_that_is_another_is_told(play: Run) -> None:
    with pytest.raises(ScriptFailure, match="events is POLLOUT, expected EPOLLIN"):
        play((EPOLL % "").replace("events=EPOLLOUT,", "events=EPOLLIN,"), "connected")


def test_file_is_sent(play: Run) -> None:
    play('+0 open("/tmp/f", O_RDONLY) = 5\n+0 sendfile(4, 5, [0], 50) = 50\n+0 > P. 1:51(50) ack 1', "connected")


def test_text_goes_through_a_pipe_from_one_connection_to_itself(play: Run) -> None:
    play(
        "+0 pipe([5, 6]) = 0\n+0 < P. 1:101(100) ack 1 win 9000\n+0 > . 1:1(0) ack 101\n"
        "+0 splice(4, NULL, 6, NULL, 500, 0) = 100\n"
        "+0 splice(5, NULL, 4, NULL, 60, 0) = 60\n+0 > P. 1:61(60) ack 101",
        "connected",
    )


def test_control_message_tells_what_still_waits(play: Run) -> None:
    receive = "+0 recvmsg(4, {msg_iov(1)=[{iov_base=..., iov_len=60}], msg_control=[{%s}]}, 0) = %s\n"
    control = "cmsg_level=SOL_TCP, cmsg_type=TCP_CM_INQ, cmsg_data=%d"
    play(
        "+0 setsockopt(4, SOL_TCP, TCP_INQ, [1], 4) = 0\n+0 < FP. 1:101(100) ack 1 win 9000\n"
        + receive % (control % 40, 60)
        + receive % (control % 1, 40),
        "connected",
    )
    with pytest.raises(ScriptFailure, match="TCP_INQ is not set"):
        play("+0 < P. 1:9(8) ack 1 win 9000\n" + receive % (control % 0, 8), "connected")

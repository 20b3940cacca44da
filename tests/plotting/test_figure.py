"""Pictures: files of each format that parse, and legends that name what is drawn and nothing else."""

import xml.etree.ElementTree as Xml
from pathlib import Path

import pytest
from PIL import Image

from stack.plotting.figure import Look, draw
from stack.plotting.flow import Flow, SenderSamples, Series
from stack.plotting.view import NothingToShow
from tests.plotting.crafted import MS, Talk


@pytest.fixture
def flow() -> Flow:
    talk = Talk()
    talk.handshake()
    for index in range(8):
        talk.data(20 + index, 1 + 1000 * index)
    talk.ack(30, 1001)
    for index in range(2, 8):
        talk.ack(32 + index, 1001, sack=[(2001, 1001 + 1000 * index)])
    talk.data(40, 1001)
    talk.ack(50, 8001, window=0)
    talk.data(51, 1)
    talk.ack(61, 8001, window=0, sack=[(1, 1001)])
    talk.data(300, 8001, 1)
    talk.data(350, 8001, 0, flags="R")
    return talk.flow()


def words(path: Path) -> set[str]:
    """The texts of an SVG."""
    return {"".join(element.itertext()).strip() for element in Xml.parse(path).iter("{http://www.w3.org/2000/svg}text")}


def test_png_has_the_size_asked_for(flow: Flow, tmp_path: Path) -> None:
    draw(flow, tmp_path / "a.png", Look(size=(8.0, 7.5), resolution=40))
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (320, 300)
        assert len(image.convert("RGB").getcolors(1 << 20) or ()) > 10


def test_pdf_and_svg_are_what_their_names_say(flow: Flow, tmp_path: Path) -> None:
    draw(flow, tmp_path / "a.pdf")
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF-")
    draw(flow, tmp_path / "a.svg")
    assert Xml.parse(tmp_path / "a.svg").getroot().tag.endswith("svg")


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_same_flow_gives_the_same_file(flow: Flow, tmp_path: Path, kind: str) -> None:
    for name in ("a", "b"):
        draw(flow, tmp_path / f"{name}.{kind}")
    assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def test_legend_names_what_is_drawn(flow: Flow, tmp_path: Path) -> None:
    draw(flow, tmp_path / "a.svg")
    found = words(tmp_path / "a.svg")
    assert found >= {
        "10.0.0.1:40000 → 10.0.0.2:80",
        "segment",
        "sent again",
        "sent again, needlessly",
        "probe",
        "ACK",
        "duplicate ACK",
        "window closed",
        "SACK block",
        "DSACK block",
        "SYN",
        "RST",
        "sent, not acknowledged",
        "by ACK",
        "by SACK",
        "(a capture does not show cwnd)",
    }
    assert not found & {"overtaken", "FIN", "cwnd", "ssthresh", "srtt", "pacing rate", "by timestamps"}


def test_part_of_the_time_shows_that_part_only(flow: Flow, tmp_path: Path) -> None:
    draw(flow, tmp_path / "a.svg", Look(begin=0.0195, end=0.0305, title="Before the loss"))
    found = words(tmp_path / "a.svg")
    assert {"Before the loss", "10.0.0.1:40000 → 10.0.0.2:80", "segment", "ACK"} <= found
    assert not found & {"sent again", "SACK block", "SYN", "RST", "probe"}
    assert any(text.startswith("whole connection: ") for text in found)


def test_samples_of_the_sender_are_drawn_and_the_excuse_is_not(flow: Flow, tmp_path: Path) -> None:
    time = Series(flow.flight.time, flow.flight.value + 1000)
    trips = Series(time.time, time.value * 0 + 9 * MS)
    samples = SenderSamples(cwnd=time, ssthresh=time, srtt=trips, pacing_rate=time)
    draw(Flow(**{**vars(flow), "samples": samples}), tmp_path / "a.svg")
    found = words(tmp_path / "a.svg")
    assert found >= {"cwnd", "ssthresh", "srtt", "pacing rate"}
    assert "(a capture does not show cwnd)" not in found


def test_absolute_numbers_stand_at_the_axis(tmp_path: Path) -> None:
    talk = Talk(client_isn=2**32 - 2001)
    talk.handshake()
    for index in range(4):
        talk.data(20 + index, 1 + 1000 * index)
    draw(talk.flow(), tmp_path / "a.svg", Look(absolute=True))
    found = words(tmp_path / "a.svg")
    assert "sequence number" in found
    numbers = [int(text) for text in found if text.isdigit()]
    assert any(number > 2**32 - 2002 for number in numbers)
    assert all(number < 2**32 for number in numbers)


@pytest.mark.parametrize("flags", ["S", "R", "A"])
def test_connection_of_one_segment_is_drawn(tmp_path: Path, flags: str) -> None:
    talk = Talk()
    talk.data(0, 0, 0, 0, flags)
    for forward in (True, False):
        draw(talk.flow(forward), tmp_path / "a.png")
        assert (tmp_path / "a.png").stat().st_size > 1000


@pytest.mark.parametrize(("begin", "end"), [(5.0, None), (0.2, 0.1), (0.1, 0.1), (5.0, 6.0), (None, 0.0)])
def test_times_with_nothing_between_are_refused(
    flow: Flow, tmp_path: Path, begin: float | None, end: float | None
) -> None:
    with pytest.raises(NothingToShow, match="nothing lies"):
        draw(flow, tmp_path / "a.png", Look(begin=begin, end=end))
    assert not (tmp_path / "a.png").exists()

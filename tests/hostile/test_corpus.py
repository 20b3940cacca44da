"""The stored corpus of fuzz inputs, played with the core that runs here; the format of inputs; the guided search."""

import importlib.util
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from netcore.engine import build_information
from netcore.wire import decode
from tests.hostile import arena, corpus, inputs, record_mutations
from tests.hostile.arena import Arena, play
from tests.hostile.cast import FRIEND, FRIEND_MAC, PRIVATE_PORT, RST, TCP, VICTIM
from tests.hostile.inputs import Pause, RawFrame, Settings
from tests.hostile.scenes import scenes, segment
from tests.hostile.signed import SIGNED_PORT
from tests.hostile.streams import Disturbed

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.requirement("LIM-4", "SEG-4", "SEG-13")
def test_stored_corpus_hurts_nothing_and_still_reaches_what_it_reached() -> None:
    found = corpus.stored()
    assert len(found) > len(scenes()), "the stored corpus is empty"
    played = []
    for name, octets in found.items():
        try:
            played.append(play(octets))
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}; write corpus.stored() out and see fuzz.py --replay") from error
    now, before = corpus.reached(played), corpus.expected()
    assert len(now["states"]) == 11
    # a counter that is gone from the core is taken out of the file by hand, one that is only missed is a loss
    missed = {what: sorted(set(before[what]) - set(now[what])) for what in before}
    assert not any(missed.values()), f"the corpus no longer reaches {missed}"


@pytest.mark.parametrize("name", sorted(scenes()))
def test_input_written_by_hand_is_read_as_it_was_written(name: str) -> None:
    octets = scenes()[name]
    settings, records = inputs.decode(octets)
    assert inputs.encode(settings, records) == octets


def test_any_octets_are_an_input() -> None:
    source = random.Random(5)
    for _ in range(100):
        play(source.randbytes(source.randrange(200)))


def test_fresh_record_is_one_record() -> None:
    source = random.Random(6)
    for _ in range(500):
        made = record_mutations.fresh(source)
        records = list(inputs.records(made))
        assert len(records) == 1
        # the kinds that are segments under another number are written under the first
        assert records[0].encode()[1:] == made[1:]


def test_settings_are_read_as_they_were_written() -> None:
    settings = Settings(bare=1, mtu=3, ecn=3, congestion=2, signed=3, spare=5)
    assert Settings.decode(settings.encode()) == settings
    assert sum(Settings.WIDTHS) == 8 * Settings.SIZE


@pytest.mark.requirement("LIM-5")
def test_same_input_is_the_same_run() -> None:
    octets = scenes()["lost-and-reported"]
    first, again = play(octets), play(octets)
    assert first.victim.counters() == again.victim.counters()
    assert (first.now, first.answers) == (again.now, again.answers)


def test_word_in_the_friends_name_that_came_through_would_be_noticed() -> None:
    place = Arena(Settings())
    info = place.live.friend_end.info()
    reset = decode.build_tcp(SIGNED_PORT, PRIVATE_PORT, info["snd_nxt"], 0, RST, 0, addresses=(FRIEND, VICTIM))
    frame = place.link.frame(decode.build_ipv4(FRIEND, VICTIM, TCP, reset), source=FRIEND_MAC)
    place.step(RawFrame(0, frame))
    assert place.frames == 0
    place.arrive(frame)
    with pytest.raises(Disturbed):
        place.finish()


def test_answers_beyond_their_bound_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Arena(Settings())
    monkeypatch.setattr(arena, "FREELY", -1)
    with pytest.raises(AssertionError, match="packets without text"):
        place.step(segment(RST, seq=9))


def test_memory_left_behind_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Arena(Settings())
    place.step(Pause(9, 9))
    monkeypatch.setattr(Arena, "pass_time", lambda self, duration: None)
    place.live.victim_end.send(b"left")
    with pytest.raises(AssertionError):
        place.finish()


def test_replay_tells_frames_and_what_the_stack_did(tmp_path: Path) -> None:
    crash = tmp_path / "crash"
    crash.write_bytes(scenes()["active-close"])
    command = [sys.executable, "scripts/fuzz.py", "--replay", str(crash)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert re.search(r"-> victim .* TCP 10.9.0.16:\w+ > 10.9.0.1:http S", result.stdout)
    assert "PassiveOpens +1" in result.stdout
    assert "FIN-WAIT-2" in result.stdout


def test_replay_of_what_is_no_file_is_refused_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "scripts/fuzz.py", "--replay", str(tmp_path / "none")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "none" in result.stderr


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_guided_search_reaches_new_code_of_the_core(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    if "campaign" not in request.config.getoption("-m"):
        pytest.skip("builds the core by clang and searches, run by -m campaign: scripts/fuzz_guided.py")
    if not importlib.util.find_spec("atheris") or not any(map(shutil.which, ("clang", "clang-14"))):
        pytest.skip("the guided search needs clang and the optional dependencies [fuzz]")
    assert not build_information()["address_sanitizer"], "starts the sanitized core by itself"
    command = [sys.executable, "scripts/fuzz_guided.py", "--seconds", "30", "--corpus", str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    edges = [int(count) for count in re.findall(r"cov: (\d+)", result.stderr)]
    assert edges[-1] > edges[0] > 3000
    assert list(tmp_path.iterdir())

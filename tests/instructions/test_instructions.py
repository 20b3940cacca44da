"""Kept fast: instructions a segment, a frame, a round trip and a connection stay below ceilings that only go down.

Seconds differ from machine to machine and from run to run; instructions repeat.
"""

from pathlib import Path

import pytest

import netcore.engine
from tests.instructions import count
from tests.instructions.count import Count, is_exceeded, is_too_high, judgement, own_costs

ROOT = Path(__file__).parents[2]
CEILING = 1000


@pytest.mark.timeout(300)
def test_core_takes_no_more_instructions_than_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    if reason := count.missing():
        pytest.skip(reason)
    if Path(netcore.engine.__file__).parent != ROOT / "cython" / "netcore":
        pytest.skip("the ceilings are those of the core as it is built in cython/netcore, and this is another")
    found, ceilings, more = count.counts(), count.ceilings(), count.tolerance()
    table = "\n".join(judgement(each, ceilings.get(each.name), more) for each in found)
    print(table)
    if any(is_too_high(each, ceilings[each.name]) for each in found):
        with capsys.disabled():
            print("\nceilings can be lowered: python -m tests.instructions.count --write")
    assert {each.name for each in found} == set(ceilings)
    exceeded = [each.name for each in found if is_exceeded(each, ceilings[each.name], more)]
    assert not exceeded, f"{table}\nwhere they go: python -m tests.instructions.count --functions"


@pytest.mark.parametrize(
    ("each", "exceeded", "too_high"),
    [(1021, True, False), (1019, False, False), (991, False, False), (989, False, True)],
)
def test_ceiling_tells_what_exceeds_it_and_when_it_is_to_be_lowered(each: int, exceeded: bool, too_high: bool) -> None:
    counted = Count("run", 10, {"one": 4 * each, "other": 6 * each})
    assert is_exceeded(counted, CEILING) == exceeded
    assert is_too_high(counted, CEILING) == too_high
    assert ("slower" in judgement(counted, CEILING)) == exceeded
    assert ("lower it" in judgement(counted, CEILING)) == too_high


def test_ceilings_are_written_lower_and_never_higher_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(count, "CEILINGS", tmp_path / "ceilings.txt")
    found = [Count("faster", 1, {"f": 90}), Count("slower", 1, {"f": 110}), Count("new", 1, {"f": 5})]
    count.write(found, {"faster": 100, "slower": 100, "gone": 100}, may_rise=False)
    assert count.ceilings() == {"faster": 90, "slower": 100, "new": 5}
    count.write(found, count.ceilings(), may_rise=True)
    assert count.ceilings() == {"faster": 90, "slower": 110, "new": 5}


def test_costs_are_those_of_core_functions_without_what_they_call() -> None:
    text = """\
version: 1
positions: line
events: Ir
summary: 600

ob=(1) /a/netcore/tcp/input.cpython-311-x86_64-linux-gnu.so
fl=(1) ???
fn=(1) __pyx_f_7netcore_3tcp_5input_take
0 10
cob=(2) /lib/libc.so.6
cfi=(2) ???
cfn=(2) memcpy
calls=5 0
0 100
0 7

fn=(3) __pyx_pw_7netcore_wrapper
0 50

ob=(2)
fl=(2)
fn=(2)
0 100

ob=(3) /a/netcore/engine.cpython-311-x86_64-linux-gnu.so
fl=(1)
fn=(4) __pyx_f_7netcore_6engine_hand
0 1

ob=(1)
fn=(1)
+1 2

totals: 600
"""
    assert own_costs(iter(text.splitlines(keepends=True))) == {"3tcp_5input_take": 19}

"""The table of throughput: algorithm by receive buffer by loss, in the simulator, kept in throughput.txt beside this.

Examples:
  python -m tests.netsim.throughput            what has changed since the table was stored
  python -m tests.netsim.throughput --write    stores it anew, and prints what has changed
"""

import difflib
import sys
from pathlib import Path

from netcore.endpoint import OK
from netcore.engine import congestion_names
from netcore.simulator import Simulator

STORED = Path(__file__).with_suffix(".txt")

BUFFERS = (4_096, 16_384, 65_536, 262_144, 1_048_576)
LOSSES = (0, 1_000, 10_000, 30_000, 100_000)  # parts per million, each way
SEEDS = range(1, 11)
SIZE = 2_000_000
RATE = 20_000_000
QUEUE = 100_000
DELAY = 20_000_000

HEAD = f"""\
Goodput in kbit/s of {SIZE:,} bytes over {RATE // 10**6} Mbit/s with a round trip of {2 * DELAY // 10**6} ms and a
queue of {QUEUE:,} bytes, by receive buffer (rows, bytes) and loss each way (columns); behind it the segments sent
again in thousandths of all. Sums over {len(SEEDS)} seeds. Stored by: python -m tests.netsim.throughput --write
"""


def cell(congestion: str, buffer: int, loss: int) -> tuple[int, int]:
    """Goodput in kbit/s, and segments sent again in thousandths of those that would have done."""
    time = again = sent = 0
    for seed in SEEDS:
        simulator = Simulator(seed=seed)
        sender, receiver = simulator.host(congestion=congestion), simulator.host(receive_buffer=buffer)
        simulator.link(sender, receiver, rate=RATE, delay=DELAY, queue=QUEUE, loss=loss)
        flow = simulator.flow(sender, receiver, send=SIZE)
        assert simulator.run()
        assert flow.client.status == flow.server.status == OK
        assert flow.server.received == SIZE
        time += flow.server.ended_at
        counters = sender.counters()
        again += counters["RetransSegs"]
        sent += counters["OutSegs"]
    return len(SEEDS) * SIZE * 8 * 1_000_000 // time, again * 1000 // sent


def table() -> str:
    """The whole table as text."""
    lines = [HEAD]
    for congestion in congestion_names():
        losses = "".join(f"{f'{loss / 10_000:g} %':>14}" for loss in LOSSES)
        lines.append(f"{congestion:<10}{losses}")
        for buffer in BUFFERS:
            cells = (cell(congestion, buffer, loss) for loss in LOSSES)
            lines.append(f"{buffer:>10,}" + "".join(f"{f'{goodput:,}':>9} {f'{again}':>4}" for goodput, again in cells))
        lines.append("")
    return "\n".join(lines)


def difference(stored: str, made: str) -> str:
    """What has changed, line by line; empty: nothing."""
    return "\n".join(difflib.unified_diff(stored.splitlines(), made.splitlines(), "stored", "now", lineterm="", n=1))


def main() -> int:
    """The command; its status is 1 when something has changed."""
    stored = STORED.read_text() if STORED.exists() else ""
    made = table()
    changed = difference(stored, made)
    print(changed or "nothing has changed")
    if "--write" in sys.argv[1:]:
        STORED.write_text(made)
        return 0
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())

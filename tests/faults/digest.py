"""Prints a digest of every frame of a few transfers and of all counters: equal for two builds that behave the same."""

import hashlib

from tests.netsim.test_streams import HOSTS, LINKS
from tests.netsim.transfers import Transfer


def main() -> None:
    """Runs the transfers."""
    digest = hashlib.sha256()
    for seed, (link, kind) in enumerate((link, kind) for link in LINKS for kind in HOSTS):
        transfer = Transfer(seed, sizes=(20_000, 10_000), link=LINKS[link], left=HOSTS[kind], right=HOSTS[kind],
                            record=True).run()  # fmt: skip
        counters = [side.engine.counters() for side in (transfer.client, transfer.server)]
        digest.update(repr((transfer.pair.recorded(), counters)).encode())
    print(digest.hexdigest())


if __name__ == "__main__":
    main()

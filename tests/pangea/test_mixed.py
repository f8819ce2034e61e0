"""Many clients at once that read, write, search, upload and download: no error, and the server does not grow."""

from __future__ import annotations

import psutil

from benchmarks._pangea_mixed import prepare, run
from tests.pangea.conftest import Pangea, Person

#: What a server may grow by once it has filled its caches, in MB.
MOST = 60


def test_many_clients_at_once(pangea: Pangea, ann: Person, torture: bool):
    place = prepare(pangea.running.port, ann.token, pangea.name("mixed"), 120)
    workers = [psutil.Process(pid) for pid in pangea.running.workers()]
    out = run(
        pangea.running.port,
        place,
        50 if torture else 10,
        120 if torture else 3,
        lambda: sum(one.memory_info().rss for one in workers) / 1e6,
    )
    print(out)
    assert out.errors == []
    assert len(out.times) > 100
    assert out.after - out.settled < MOST, out

"""Look-ups of many records find each by its name, also in a project that is younger than the statistics."""

from __future__ import annotations

import pytest

from commensal.storage.postgres import record_writes
from tests.gen3.conftest import Gen3, case, experiment, run_sql

MANY = 2_000


@pytest.mark.parametrize("text", [record_writes._LOOK_UP, record_writes._LOOK_UP_MANY])
def test_names_are_looked_up_by_their_index(gen3: Gen3, text: str) -> None:
    old = gen3.project()
    gen3.put(old, [experiment(old), *(case(f"c{n}") for n in range(30))])
    run_sql(gen3.dsn, "analyze records")
    young = gen3.project()
    gen3.put(young, [experiment(young), *(case(f"c{n}") for n in range(MANY))])
    number = run_sql(gen3.dsn, "select seq from projects where code = $1", young.split("/")[2])[0]["seq"]
    names = [f"c{n}" for n in range(MANY)]
    plan = run_sql(gen3.dsn, f"explain {text}", number, ["case"] * MANY, names, ["case"] * MANY, names, [])
    lines = [row["QUERY PLAN"] for row in plan]
    reads = [line for line in lines if " on records" in line]
    assert reads, lines
    assert not [line for line in reads if "Seq Scan" in line], lines
    assert sum("sid_folded = w" in line and "Index Cond" in line for line in lines) == 2, lines

"""TSV whose cells the database writes says the same as CSV, whose cells are made of JSON values."""

from __future__ import annotations

import csv
import io

import pytest

from commensal.core.tabular.copied import CopiedRows
from tests.gen3.conftest import Gen3, case, experiment

TEXTS = [
    "plain", "", " a ", "tab\there", "line\nend", "cr\rhere", '"quoted"', 'half "quote', '"', "back\\slash", "\\t",
    "\\N", "\\.", "N", "0.00001", "-0.00001", "é\u2028 ☃ 😀", "\b\f\v\x1f", "a,b", "a#b", "True", "null",
]  # fmt: skip
NUMBERS = [0.00001, -0.00002, 0.0001, 5.0, 0.1, 1e16, 1e22, 123456789012345678, -0.0, 1 / 3, 2, 1e-300]


def _table(text: str, dialect: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), dialect))


@pytest.mark.parametrize("without_id", ["false", "true"])
def test_the_two_ways_agree(gen3: Gen3, without_id: str):
    project = gen3.project()
    gen3.put(project, [experiment(project), *(case(f"c{n}") for n in range(len(TEXTS)))])
    gen3.put(
        project,
        [
            {"type": "sample", "submitter_id": f"s{n}", "cases": {"submitter_id": f"c{n}"}, "freezing_method": text,
             "is_ffpe": bool(n % 2), "initial_weight": number,
             **({"days_to_collection": n} if n % 3 else {})}
            for n, (text, number) in enumerate(zip(TEXTS, [*NUMBERS, *NUMBERS], strict=False))
        ],
    )  # fmt: skip
    found = {}
    for form, dialect in (("tsv", "excel-tab"), ("csv", "excel")):
        path = f"{project}/export/?node_label=sample&format={form}&without_id={without_id}"
        answer = gen3.call("GET", path)
        assert answer.status_code == 200
        found[form] = _table(answer.content.decode(), dialect)
    assert found["tsv"] == found["csv"]
    assert len(found["tsv"]) == len(TEXTS) + 1
    place = found["tsv"][0].index("freezing_method")
    assert [row[place] for row in found["tsv"][1:]] == TEXTS
    place = found["tsv"][0].index("initial_weight")
    assert [float(row[place]) for row in found["tsv"][1:]] == [float(n) for n in (*NUMBERS, *NUMBERS)][: len(TEXTS)]


def test_what_needs_no_change_is_handed_on():
    rows = CopiedRows([("fixed", "sample"), ("number", "weight"), ("text", "note")])
    chunk = b"sample\t1.5\tsome words\nsample\t\t\n"
    assert rows.tsv(chunk) is chunk
    assert rows.tsv(b'sample\t0.00001\t0.00001\nsample\t2\t"a\\tb\\\\n\n') == (
        b'sample\t1e-05\t0.00001\nsample\t2\t"""a\tb\\n"\n'
    )

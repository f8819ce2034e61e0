"""``change`` orders what readers see, and random documents never break anything."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commensal.core.entities import read_documents
from commensal.core.permissions import PublicLevel
from commensal.core.plans import Plans
from commensal.core.projects import Mode, Program, Project, ProjectKind
from commensal.core.records import ProjectRow
from commensal.core.validation import compile_validators
from commensal.storage.postgres.database import PgDatabase
from tests.records.records_site import OPERATOR, make_site

EXPERIMENT = {"type": "experiment", "submitter_id": "e1", "projects": {"code": "J"}}


def case(name: str) -> dict:
    return {"type": "case", "submitter_id": name, "experiments": {"submitter_id": "e1"}}


class Held(PgDatabase):
    """A database whose transactions end only when the test says so, and may fail then."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn, size=2)
        self.written = asyncio.Event()
        self.end = asyncio.Event()
        self.fail = False

    @contextlib.asynccontextmanager
    async def begin(self):
        async with super().begin() as unit:
            yield unit
            self.written.set()
            await self.end.wait()
            if self.fail:
                raise RuntimeError("rolled back by the test")


async def test_overlapping_writers_leave_change_in_commit_order_without_a_gap(gen3_site, dsn):
    """Two overlapping writers, one of which rolls back: a reader that notes the highest change misses no row."""
    await gen3_site.ok([EXPERIMENT, case("first")])
    held = Held(dsn)
    await held.open()
    slow = make_site(held)
    slow.audit._database = gen3_site.database
    seen: dict[str, int] = {}
    try:
        for fails in (True, False):
            held.written.clear()
            held.end.clear()
            held.fail = fails
            name = "lost" if fails else "kept"
            writer = asyncio.create_task(slow.submit([case(name)]))
            await held.written.wait()
            other = asyncio.create_task(gen3_site.submit([case(f"beside-{name}")]))
            await asyncio.sleep(0.05)
            # The second writer waits for the first: its change cannot be visible before the other's is decided.
            assert not other.done()
            await _read(gen3_site, seen)
            held.end.set()
            if fails:
                with contextlib.suppress(RuntimeError):
                    await writer
            else:
                assert (await writer).success
            assert (await other).success
            await _read(gen3_site, seen)
    finally:
        held.end.set()
        await held.close()
    assert set(seen) == {"first", "beside-lost", "kept", "beside-kept"}
    assert seen["beside-lost"] < seen["kept"] < seen["beside-kept"]
    # No number was used up by the writer that rolled back.
    assert sorted(seen.values()) == [1, 2, 3, 4]
    assert await gen3_site.value("select change from counters where type = 'case'") == 4


async def _read(site, seen: dict[str, int]) -> None:
    """Read what is above the highest change seen, as the lake does."""
    rows = await site.rows(
        "select submitter_id, change from records where type = 'case' and change > $1", max(seen.values(), default=0)
    )
    seen.update({row["submitter_id"]: row["change"] for row in rows})


async def test_counters_are_locked_in_one_order(gen3_site):
    """Writers that touch the same types in opposite orders never wait for each other in a circle."""
    await gen3_site.ok([EXPERIMENT, case("c0")])

    def sample(name: str) -> dict:
        return {"type": "sample", "submitter_id": name, "cases": {"submitter_id": "c0"}}

    batches = [[case(f"c{n}"), sample(f"s{n}")] if n % 2 else [sample(f"s{n}"), case(f"c{n}")] for n in range(1, 13)]
    results = await asyncio.gather(*(gen3_site.submit(batch) for batch in batches))
    assert all(result.success for result in results)
    assert await gen3_site.value("select change from counters where type = 'sample'") == 12


# --- random documents

_keys = st.sampled_from(
    [
        "type",
        "submitter_id",
        "id",
        "experiments",
        "cases",
        "primary_site",
        "consent_codes",
        "state",
        "*extra",
        "created_datetime",
        "project_id",
        "*type",
        "sample_volume",
        "is_ffpe",
        "zzz",
        "metadata",
        "urls",
    ]
)
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["c1", "e1", "\0", "\ud800", "0f4a1c5e-5f54-4e4c-9d5e-0a5f6f1d2b3c"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["submitter_id", "id", "code", "name", "node_id", "a"]), inner, max_size=3)
    ),
    max_leaves=6,
)
_document = st.builds(
    lambda values, kind: {**values, "type": kind} if kind is not None else values,
    st.dictionaries(_keys, _json, max_size=6),
    st.sampled_from(["case", "sample", "experiment", "program", "nope", "subject", "dataset", None]),
)
_documents = st.lists(_document | _json, max_size=4)


@given(documents=_documents, gen3=st.booleans(), relaxed=st.booleans(), create_only=st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reading_random_documents_never_raises(generic_node, documents, gen3, relaxed, create_only):
    plans = _plans(generic_node)
    reading = read_documents(
        documents, plans, _PROJECT, gen3=gen3, relaxed=relaxed and not gen3, create_only=create_only, suspicious=True
    )
    assert reading.transactional or len(reading.entities) == len(documents)


async def test_submitting_random_documents_gives_answers_only(gen3_site, torture):
    await gen3_site.ok([EXPERIMENT, case("c1")])
    loop = asyncio.get_running_loop()
    samples: list[Any] = []

    @given(documents=_documents)
    @settings(max_examples=400 if torture else 40, deadline=None, database=None)
    def collect(documents):
        samples.append(documents)

    await loop.run_in_executor(None, collect)
    await gen3_site.project("OPEN", mode="open")
    for documents in samples:
        for project, principal in (("J", None), ("OPEN", OPERATOR)):
            more = {"principal": principal} if principal else {}
            result = await gen3_site.submit(documents, project=project, **more)
            assert result.code == (200 if result.success else 400)
            assert result.success == (not result.transactional_errors and all(e.valid for e in result.entities))
            if result.success:
                again = await gen3_site.submit(documents, project=project, **more)
                assert again.success, (documents, again)
                # What has no name gets a new one each time; everything else is found and equal.
                keys = [{key.lstrip("*") for key, v in document.items() if v is not None} for document in documents]
                assert again.created_entity_count == sum(1 for k in keys if not k & {"submitter_id", "id"}), documents


_cache: dict[int, Plans] = {}
_PROJECT = ProjectRow(
    Project(
        seq=1, uuid=uuid4(), program=2, program_code="P", code="J", polly_code="j", title="J",
        kind=ProjectKind.STUDY, mode=Mode.STRICT, public_level=PublicLevel.NONE, state="open", released=False,
        properties={}, extra=None, made_by=None, change=0, created=datetime.now(UTC), updated=datetime.now(UTC),
    ),
    Program(
        seq=2, uuid=UUID("0f4a1c5e-5f54-4e4c-9d5e-0a5f6f1d2b3d"), code="P", title="P", listed=True, home_of=None,
        made_by=None, properties={}, created=datetime.now(UTC), updated=datetime.now(UTC),
    ),
    0,
)  # fmt: skip


def _plans(generic_node) -> Plans:
    dictionary = generic_node.__self__
    if id(dictionary) not in _cache:
        _cache[id(dictionary)] = Plans(dictionary, compile_validators(dictionary))
    return _cache[id(dictionary)]

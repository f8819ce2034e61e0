"""Random operations on two projects, with a dict as oracle: after each few, everything that must agree agrees."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from commensal.core.puts import LinkTo, Put
from commensal.errors import AlreadyExists, CommensalError, Conflict
from tests.records.records_site import GEN3, OPERATOR, Site

#: (project, type, folded name) → (number, metadata).
Live = dict[tuple[int, str, str], tuple[int, Any]]

NAMES = ("a", "A", "b", "ß", "SS", "c1", "d.x", "e-%")
KEYS = ("organism", "sex", "zz", "label", "id", "type", "tissue", "a.b", "", "metadata")
VALUES = (1, 1.5, True, "x", "", None, [1, None], {"k": None}, {"k": {"z": []}}, "é", 2**70, -1e-7)

#: Each gives rows only where something is broken.
INVARIANTS = {
    "a counter is not the number of records": """
        select * from (select project, type, count(*) as n from records group by 1, 2) c
          full join counters k using (project, type) where coalesce(c.n, 0) <> coalesce(k.n, 0)""",
    "a link begins or ends nowhere, or leaves its project": """
        select l.* from links l
          left join records s on s.seq = l.src and s.project = l.project and s.type = l.src_type
          left join records d on d.seq = l.dst and d.project = l.project and d.type = l.dst_type
         where s.seq is null or l.dst_project <> l.project
            or case when l.dst_type = 'project' then l.dst <> l.project else d.seq is null end""",
    "the versions of a record are not 1 to its version": """
        select r.seq from records r left join record_versions v using (seq)
         group by r.seq, r.version having max(v.n) is distinct from r.version or count(*) <> r.version""",
    "the newest version is not the record": """
        select r.seq, v.after from records r join record_versions v on v.seq = r.seq and v.n = r.version
         where v.after::jsonb -> 'props' is distinct from r.props or v.project <> r.project
            or coalesce(v.after::jsonb -> 'extra', '{}') is distinct from coalesce(r.extra, '{}')
            or v.after::jsonb ->> 'label' is distinct from r.label
            or v.after::jsonb ->> 'submitter_id' <> r.submitter_id""",
    "the newest version has other links": """
        select r.seq from records r join record_versions v on v.seq = r.seq and v.n = r.version
         where (select array_agg(e.key || u.value order by 1) from json_each(coalesce(v.after -> 'links', '{}')) e,
                  json_array_elements_text(e.value) u)
           is distinct from (select array_agg(l.name || coalesce(d.uuid, p.uuid) order by 1) from links l
                  left join records d on d.seq = l.dst left join projects p on p.seq = l.dst where l.src = r.seq)""",
    "a record is ahead of its counter": """
        select r.seq from records r join counters c using (project, type) where r.change > c.change""",
}


async def agree(site: Site, live: Live | None) -> None:
    for what, sql in INVARIANTS.items():
        rows = await site.rows(sql)
        assert not rows, (what, rows[:3])
    if live is None:
        return
    rows = await site.rows("select project, type, sid_folded, seq, props, coalesce(extra, '{}') as extra from records")
    found = {(r["project"], r["type"], r["sid_folded"]): (r["seq"], {**r["extra"], **r["props"]}) for r in rows}
    assert found == live


class Follower:
    """A reader of changes, as the lake is: it notes the highest change of each type and reads what is above it."""

    def __init__(self) -> None:
        self.at: dict[tuple[int, str], int] = {}
        self.seen: dict[tuple[int, str, int], int] = {}

    async def pull(self, site: Site) -> None:
        async with site.database.snapshot() as unit:
            rows = await unit.rows(
                "select project, type, change, seq, version, false as gone from records union all "
                "select project, type, change, seq, 0, true from tombstones order by change, gone desc"
            )
        before = dict(self.at)
        for row in rows:
            key = (row["project"], row["type"])
            if row["change"] <= before.get(key, 0):
                continue
            self.at[key] = row["change"]
            if row["gone"]:
                self.seen.pop((*key, row["seq"]), None)
            else:
                self.seen[*key, row["seq"]] = row["version"]

    async def has_everything(self, site: Site) -> None:
        await self.pull(site)
        rows = await site.rows("select project, type, seq, version from records")
        assert self.seen == {(r["project"], r["type"], r["seq"]): r["version"] for r in rows}


class Walk:
    def __init__(self, site: Site, seed: int, projects: tuple[int, int]) -> None:
        self.site = site
        self.random = random.Random(seed)
        self.projects = projects
        self.codes = dict(zip(projects, ("J", "K"), strict=True))
        self.live: Live = {}
        self.deleted: dict[int, Live] = {}

    def some(self) -> tuple[int, str, str]:
        return self.random.choice(sorted(self.live))

    async def put(self, mode: Any) -> None:
        rng = self.random
        project, kind, name = rng.choice(self.projects), rng.choice(("sample", "subject")), rng.choice(NAMES)
        key = (project, kind, name.casefold())
        written = {rng.choice(KEYS): rng.choice(VALUES) for _ in range(rng.randint(0, 4))}
        subjects = [one[2] for one in self.live if one[:2] == (project, "subject")]
        links = [LinkTo("subject", type="subject", submitter_id=rng.choice(subjects))] if subjects else []
        put = Put(
            type=kind, submitter_id=name, metadata=written, mode=mode, relink=True,
            links=links if kind == "sample" else (),
        )  # fmt: skip
        made = (await self.site.records.put(OPERATOR, project, [put]))[0]
        if mode == "merge":
            before = self.live[key][1] if key in self.live else {}
            written = {k: v for k, v in {**before, **written}.items() if v is not None or k not in written}
        self.live[key] = (made.seq, written)

    async def submit(self) -> None:
        rng = self.random
        project, kind, name = rng.choice(self.projects), rng.choice(("sample", "subject")), rng.choice(NAMES)
        document: dict[str, Any] = {"type": kind, "submitter_id": name, "organism": rng.choice("mh")}
        if kind == "subject":
            document["projects"] = {"code": self.codes[project]}
        key = (project, kind, name.casefold())
        if key in self.live and rng.random() < 0.5:
            seq = self.live[key][0]
            document["id"] = str(await self.site.value("select uuid from records where seq = $1", seq))
        result = await self.site.ok([document], project=self.codes[project], principal=rng.choice((GEN3, OPERATOR)))
        seq = await self.site.value("select seq from records where uuid = $1", result.entities[0].id)
        before = self.live[key][1] if key in self.live else {}
        self.live[key] = (seq, {**before, "organism": document["organism"]})

    async def delete(self) -> None:
        project = self.some()[0]
        keys = [key for key in sorted(self.live) if key[0] == project][: self.random.randint(1, 3)]
        done = await self.site.deletion.delete_records(OPERATOR, project, [self.live[key][0] for key in keys])
        self.deleted[done.id] = {key: self.live.pop(key) for key in keys}

    async def delete_entity(self) -> None:
        key = self.some()
        uuid = await self.site.value("select uuid::text from records where seq = $1", self.live[key][0])
        done = await self.site.deletion.delete_entities(GEN3, "P", self.codes[key[0]], [uuid])
        assert done.success
        self.deleted[await self.site.value("select max(id) from deletions")] = {key: self.live.pop(key)}

    async def undelete(self) -> None:
        number = self.random.choice(sorted(self.deleted))
        await self.site.deletion.undelete(OPERATOR, number)
        self.live.update(self.deleted.pop(number))

    async def move(self) -> None:
        project, kind, name = key = self.some()
        other = self.projects[1 - self.projects.index(project)]
        await self.site.moving.move(OPERATOR, project, other, [self.live[key][0]])
        self.live[other, kind, name] = self.live.pop(key)

    async def step(self) -> None:
        ways = [lambda: self.put("replace"), lambda: self.put("merge"), self.submit]
        if self.live:
            ways += [self.delete, self.delete_entity, self.move]
        if self.deleted:
            ways.append(self.undelete)
        try:
            await self.random.choice(ways)()
        except (Conflict, AlreadyExists):
            pass  # something has taken the place


async def test_random_operations_leave_what_a_dict_would_hold(site, torture):
    projects = (await site.project(mode="open"), await site.project("K", mode="open"))
    walk, follower = Walk(site, random.randrange(2**32) if torture else 7, projects), Follower()
    for number in range(2_000 if torture else 120):
        await walk.step()
        if not number % 3:
            await follower.pull(site)
        if not number % 10:
            await agree(site, walk.live)
    await agree(site, walk.live)
    await follower.has_everything(site)


async def test_many_writers_at_once_break_nothing(site, torture):
    """Writers, deletions, moves and undeletes on the same records at the same time: refusals, but no deadlock."""
    projects = (await site.project(mode="open"), await site.project("K", mode="open"))
    follower = Follower()
    refused: list[str] = []

    async def writer(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(60 if torture else 6):
            here, there = rng.sample(projects, 2)
            names = [f"n{rng.randint(0, 20)}" for _ in range(rng.choice((1, 2, 12)))]
            rows = await site.rows(
                "select seq, uuid::text from records where project = $1 order by random() limit 3", here
            )
            try:
                match rng.randrange(7):
                    case 0 | 1 | 2:
                        puts = [
                            Put(type="sample", submitter_id=n, metadata={"a": rng.random()})
                            for n in dict.fromkeys(names)
                        ]
                        await site.records.put(OPERATOR, here, puts)
                    case 3:
                        code = "J" if here == projects[0] else "K"
                        documents = [
                            {"type": "sample", "submitter_id": n, "label": str(seed)} for n in dict.fromkeys(names)
                        ]
                        assert (await site.submit(documents, project=code)).success
                    case 4 if rows:
                        await site.deletion.delete_records(OPERATOR, here, [row["seq"] for row in rows])
                    case 5 if rows:
                        await site.moving.move(OPERATOR, here, there, [row["seq"] for row in rows])
                    case _:
                        number = await site.value(
                            "select id from deletions where restored is null order by random() limit 1"
                        )
                        if number:
                            await site.deletion.undelete(OPERATOR, number)
            except CommensalError as error:
                refused.append(type(error).__name__)
            await follower.pull(site)

    await asyncio.gather(*(writer(seed) for seed in range(12)))
    assert set(refused) <= {"Conflict", "AlreadyExists", "NotFound"}, refused
    await agree(site, None)
    await follower.has_everything(site)

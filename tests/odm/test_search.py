"""The compiled SQL finds what plain Python finds, for random files and random filters and queries."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commensal.core.contents_tree import index_tree
from commensal.core.files_query import MAX_LENGTH, Node, parse_filter, parse_text
from commensal.core.permissions import Scope
from commensal.core.search_words import words
from commensal.errors import Malformed
from commensal.storage.ports.file_search import NewContents, PendingContents
from commensal.storage.postgres import file_search
from commensal.storage.postgres.database import PgDatabase
from commensal.storage.postgres.file_search import PgContents, PgFileSearch
from tests.conftest import TORTURE, with_database
from tests.odm.evaluator import holds

EVERYTHING = Scope(everything=True)
EXAMPLES = 3_000 if TORTURE else 100
FILES = 120
TEXTS = [
    *("kidney", "Kidney", "kidney stone", "renal-cell carcinoma", "a*b", "x?", "", " ", 'say "hi"', "back\\slash"),
    *("GSE781", "61", "61.0", "-0.50", "1e2", "true", "Ärzte für Ödeme", "ÄRZTE", "%_%",
    "new\nline", "tab\there", "日本 語"),
    *("l" * 450, "l" * 450 + "m", "w " * 30, "'quote'", "a:b|c&d!(e)"),
]  # fmt: skip
KEYS = ["tissue", "age", "group", "Data Files / Raw", "k:x", "long" * 120, "a'b", "fullPath", "Data Class"]
NAMES = ["obs", "obsm", "seurat_clusters", "X umap", "read me.txt", "m.h5", "ü", "a'b", "[x]", "x+y", "w" * 300]
WORDS = [
    *("kidney", "KIDNEY", "stone", "kid*", "?idney", "*ney", "k*y", "renal-cell", "cell-car*", '"renal cell"', "ärzte"),
    *('"stone kidney"', "gse781", "61", "0.5", "seurat_clusters", "seurat*", "umap", '"read me"', "obs", "o?s", "*"),
    *("***", "-", '""', "l" * 450, "l" * 90 + "*", "l" * 120 + "*", "日本", "gsf1*", "a'b", '"a b"', "h5", "w" * 300),
]  # fmt: skip


def random_value(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.randrange(10)
    if kind < 5:
        return chance.choice(TEXTS)
    if kind == 5:
        return chance.choice([0, 1, 61, -5, 2**60, 0.5, -0.5, 1e20, 61.0])
    if kind == 6:
        return chance.choice([True, False, None])
    if kind == 7 and depth < 2:
        return {"inner": random_value(chance, depth + 1)}
    return [random_value(chance, depth + 1) for _ in range(chance.randrange(3))] if depth < 2 else "deep"


def random_tree(chance: random.Random, name: str) -> dict[str, Any]:
    def fill(node: dict[str, Any], depth: int) -> None:
        for one in chance.sample(NAMES, chance.randrange(0, 4)):
            path = f"{node['path'].rstrip('/')}/{one}"
            if depth < 3 and chance.random() < 0.5:
                child = {"name": one, "type": "group", "path": path, "children": []}
                fill(child, depth + 1)
            else:
                child = {"name": one, "type": "dataset", "path": path, "shape": [], "dtype": "int8"}
            node["children"].append(child)

    root = {"name": name, "type": "h5", "path": "/", "children": []}
    fill(root, 0)
    return root


@dataclass
class World:
    runner: asyncio.Runner
    database: PgDatabase
    files: dict[int, tuple[dict[str, Any], dict[str, Any] | None]]

    def search(self, *nodes: Node, scope: Scope = EVERYTHING) -> list[int]:
        async def run() -> list[int]:
            async with self.database.read() as unit:
                found, total = await PgFileSearch().search(
                    unit, scope, nodes, offset=0, limit=FILES * 2, contents=False
                )
            assert total == len(found)
            return [file.seq for file in found]

        return self.runner.run(run())

    def plain(self, *nodes: Node) -> list[int]:
        return [
            seq for seq, (attrs, tree) in sorted(self.files.items()) if all(holds(one, attrs, tree) for one in nodes)
        ]


async def _fill(database: PgDatabase) -> dict[int, tuple[dict[str, Any], dict[str, Any] | None]]:
    chance = random.Random(4)
    async with database.begin() as unit:
        places = []
        for code in ("p", "q"):
            program = await unit.value(
                "insert into programs (uuid, code, code_folded, title, title_folded) values ($1, $2, $2, $2, $2) "
                "returning seq",
                uuid.uuid4(),
                code,
            )
            for level in (0, 2, 3):
                project = await unit.value(
                    "insert into projects (uuid, program, code, polly_code, title, public_level) "
                    "values ($1, $2, $3, $3, $3, $4) returning seq",
                    uuid.uuid4(),
                    program,
                    f"{code}{level}",
                    level,
                )
                places.append((program, project, level))
        await unit.run("insert into blobs values ('k', '\\x01', '\\x02', 5)")
        for n in range(FILES):
            extra = {key: random_value(chance) for key in chance.sample(KEYS, chance.randrange(len(KEYS)))}
            seq = await unit.value(
                "insert into files (uuid, project, path, name, size, md5, state, blob, extra) "
                "values ($1, $2, $3, $3, $4, '\\x02', 'stored', 'k', $5) returning seq",
                uuid.uuid4(),
                places[n % len(places)][1],
                f"f {n} counts.h5",
                n,
                extra if n % 10 else None,
            )
            if n % 3 == 0:
                name = f"f {n} counts.h5"
                tree = random_tree(chance, name)
                index = index_tree(tree)
                stored = await PgContents().put(
                    unit,
                    PendingContents(seq, name, "k", 5, 1),
                    NewContents(json.dumps(tree).encode(), index.words, index.paths, index.lexemes, None),
                )
                assert stored
    async with database.read() as unit:
        rows = await unit.rows(
            "select s.file, s.attrs, c.tree from file_search s left join file_contents c on c.file = s.file"
        )
    return {row["file"]: (row["attrs"], row["tree"]) for row in rows}


@pytest.fixture(scope="module")
def world(admin_dsn: str, template_database: str) -> Iterator[World]:
    name = f"commensal_odm_{uuid.uuid4().hex[:10]}"

    async def admin(sql: str) -> None:
        connection = await asyncpg.connect(admin_dsn)
        await connection.execute(sql)
        await connection.close()

    with asyncio.Runner() as runner:
        runner.run(admin(f'create database "{name}" template "{template_database}"'))
        database = PgDatabase(with_database(admin_dsn, name), size=2)
        try:
            files = runner.run(_fill(database))
            assert len(files) == FILES
            yield World(runner, database, files)
        finally:
            runner.run(database.close())
            runner.run(admin(f'drop database if exists "{name}" with (force)'))


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


PATTERNS = st.sampled_from(
    [
        *map(quoted, [*TEXTS, *NAMES, "Other", "kid*", "*", "?", "k*y", "*stone", "\\*"]),
        *map(quoted, ["/obs", "/", "/*/obs", "obs/X umap"]),
        *("kidney", "kid*", "*", "61", "61.00", "o?s*", "l" * 100 + "*", "l" * 101 + "*", "/obs/obsm", "GSF1*", "true"),
    ]
)
FILTER_KEYS = st.sampled_from(
    [*map(quoted, KEYS), "group", "dataset", "fullPath", "partialPath", "genestack:name", "genestack:accession", "none"]
)
SPACE = st.sampled_from(["", " "])
COMPARISONS = st.one_of(
    st.builds(
        lambda key, space, op, value: f"{key}{space}{op}{space}{value}",
        FILTER_KEYS,
        SPACE,
        st.sampled_from(["=", "!="]),
        PATTERNS,
    ),
    st.builds(
        lambda key, op, value: f"{key}{op}{value}",
        st.sampled_from(["age", "tissue", "commensal:size", '"k:x"', "none"]),
        st.sampled_from(["<", ">", "<=", ">="]),
        st.sampled_from(["0", "60.5", "-1", "1e2", '"61"', ".5"]),
    ),
)
FILTERS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.builds(
            lambda a, op, b: f"{a} {op} {b}",
            inner,
            st.sampled_from(["AND", "OR", "&&", "||", "AND NOT", "OR NOT", "&& !"]),
            inner,
        ),
        st.builds(lambda a: f"({a})", inner),
        st.builds(lambda a: f"NOT ({a})", inner),
    ),
    max_leaves=6,
)
QUERIES = st.lists(
    st.tuples(st.sampled_from(["", "", "AND", "OR", "NOT", "AND NOT"]), st.sampled_from(WORDS)), min_size=1, max_size=5
).map(
    lambda parts: " ".join(
        f"{'NOT' if n == 0 and 'NOT' in op else '' if n == 0 else op} {word}".strip()
        for n, (op, word) in enumerate(parts)
    )
)

same = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@same
@given(text=FILTERS)
def test_a_filter_finds_what_python_finds(world: World, text: str):
    node = parse_filter(text)
    assert node is not None
    assert world.search(node) == world.plain(node)


@same
@given(text=QUERIES)
def test_a_query_finds_what_python_finds(world: World, text: str):
    node = parse_text(text)
    assert node is not None
    assert world.search(node) == world.plain(node)


@same
@given(filter_text=COMPARISONS, query=QUERIES)
def test_filter_and_query_must_both_hold(world: World, filter_text: str, query: str):
    found = [parse_filter(filter_text), parse_text(query)]
    nodes = [node for node in found if node is not None]
    assert world.search(*nodes) == world.plain(*nodes)


@same
@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60))
def test_any_text_is_a_filter_and_a_query_or_malformed(world: World, text: str):
    for parse in (parse_filter, parse_text):
        try:
            node = parse(text)
        except Malformed:
            continue
        if node is not None:
            assert world.search(node) == world.plain(node)


@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=80))
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_words_are_cut_alike_here_and_in_the_database(world: World, text: str):
    async def run() -> str:
        async with world.database.read() as unit:
            return await unit.value("select file_search_words($1)", text)

    assert world.runner.run(run()).split(" ")[1:-1] == (words(text) or [""])


def test_a_page_is_in_the_order_of_accessions_and_keeps_the_total(world: World):
    every = sorted(world.files)

    async def page(offset: int, limit: int) -> tuple[list[int], int]:
        async with world.database.read() as unit:
            found, total = await PgFileSearch().search(unit, EVERYTHING, (), offset=offset, limit=limit, contents=False)
        return [file.seq for file in found], total

    assert world.runner.run(page(0, 10)) == (every[:10], FILES)
    assert world.runner.run(page(115, 10)) == (every[115:], FILES)
    assert world.runner.run(page(FILES, 10)) == ([], FILES)
    assert world.runner.run(page(0, 0)) == ([], FILES)


def test_pages_of_many_are_those_of_few(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(file_search, "_MANY", 5)
    monkeypatch.setattr(file_search, "_FIRST", 30)
    texts = ["commensal:size>=3", "NOT commensal:size<10", "commensal:size<50 OR tissue=kidney OR NOT age>0"]
    texts += ["tissue=*", "tissue!=kidney", "commensal:size>5 AND NOT tissue=kidney", "genestack:name=f*.h5"]
    nodes = [node for node in (*map(parse_filter, texts), parse_text("h5"), parse_text('"counts h5"')) if node]

    async def page(node: Node, offset: int, limit: int) -> tuple[list[int], int]:
        async with world.database.read() as unit:
            found, total = await PgFileSearch().search(
                unit, EVERYTHING, [node], offset=offset, limit=limit, contents=True
            )
        return [file.seq for file in found], total

    for node in nodes:
        every = world.plain(node)
        assert len(every) > 30
        for offset, limit in ((0, 1), (0, 10), (5, 10), (20, 20), (29, 500), (31, 2), (len(every) - 1, 5)):
            assert world.runner.run(page(node, offset, limit)) == (every[offset : offset + limit], len(every))


def test_words_of_many_files_are_found_beside_rare_ones(world: World, monkeypatch: pytest.MonkeyPatch):
    """Statistics decide where a phrase is looked for, not whether it is found."""

    async def common() -> frozenset[str]:
        async with world.database.read() as unit:
            await unit.run("analyze file_search")
            return frozenset(await PgFileSearch().common(unit, {"wf", "wcounts", "w77", "wkidney"}))

    assert world.runner.run(common()) == {"wf", "wcounts", "wkidney"}
    texts = [
        '"f 77 counts"',
        '"77 f"',
        '"f 77" AND kidney',
        '"counts h5"',
        '"kidney stone"',
        '"f 7? count*"',
        "renal-cell",
    ]
    for part in (0, 0.01, 0.3, 2):
        monkeypatch.setattr(file_search, "_COMMON", part)
        for text in texts:
            node = parse_text(text)
            assert node is not None
            assert world.search(node) == world.plain(node)
    one = parse_text('"f 77 counts"')
    assert one is not None
    assert len(world.plain(one)) == 1


def test_the_scope_decides_file_by_file(world: World):
    async def run() -> list[tuple[int, int, int, int]]:
        async with world.database.read() as unit:
            rows = await unit.rows(
                "select f.seq, p.program, p.seq, p.public_level from files f join projects p on p.seq = f.project"
            )
            return [tuple(row) for row in rows]

    rows = sorted(world.runner.run(run()))
    programs, projects = {row[1] for row in rows}, {row[2] for row in rows}
    chance = random.Random(9)
    for _ in range(200):
        scope = Scope(
            everything=chance.random() < 0.1,
            programs=frozenset(chance.sample(sorted(programs), chance.randrange(2))),
            projects=frozenset(chance.sample(sorted(projects), chance.randrange(4))),
            public_level=chance.choice([None, None, 2, 3]),
            only_program=chance.choice([None, None, *programs]),
        )
        expected = [
            seq for seq, program, project, level in rows
            if scope.covers(program=program, project=project, public_level=level)
        ]  # fmt: skip
        assert world.search(scope=scope) == expected
        seq = chance.choice(rows)[0]

        async def find(seq: int = seq, scope: Scope = scope) -> bool:
            async with world.database.read() as unit:
                found = await PgFileSearch().find(unit, scope, seq, contents=False)
                assert await PgFileSearch().something(unit, scope, seq) == (found is not None)
                return found is not None

        assert world.runner.run(find()) == (seq in expected)


def test_the_longest_filter_and_query_work(world: World):
    text = " OR ".join(f"k{n}=v{n}" for n in range(200))
    node = parse_filter(text)
    assert node is not None
    assert world.search(node) == []
    with pytest.raises(Malformed, match="200 comparisons"):
        parse_filter(text + " OR a=b")
    with pytest.raises(Malformed, match="longer"):
        parse_filter("a=" + "b" * MAX_LENGTH)
    with pytest.raises(Malformed, match="levels"):
        parse_filter("(" * 60 + "a=b" + ")" * 60)
    assert world.search(parse_text("x" * MAX_LENGTH)) == []

"""The unmodified `pangea_api` 0.9.24: its own published tests, what they leave out, and its command line."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.clients import CLIENTS, cache_folder, client_python, run_client
from tests.pangea.conftest import PASSWORD, Pangea, Person

#: The source archive has the tests, the installed package has not.
SDIST = CLIENTS["pangea"][0]


def published_tests(folder: Path) -> Path:
    """Lay the client's published tests into a folder; skips where they cannot be had."""
    python = client_python("pangea")
    archives = cache_folder() / "pangea-sdist"
    found = next(iter(archives.glob("*.tar.gz")), None)
    if found is None:
        fetch = [str(python), "-m", "pip", "download", "--quiet", "--no-deps"]
        done = subprocess.run(
            [*fetch, "--no-binary", ":all:", "-d", str(archives), SDIST],
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        found = next(iter(archives.glob("*.tar.gz")), None)
        if found is None:
            pytest.skip(f"pip cannot fetch the source of {SDIST}: {done.stderr.strip()[-300:]}")
    with tarfile.open(found) as archive:
        members = [one for one in archive.getmembers() if re.fullmatch(r"[^/]+/tests/[a-z_]+\.py", one.name)]
        for one in members:
            file = archive.extractfile(one)
            assert file is not None
            target = folder / "tests" / Path(one.name).name
            target.parent.mkdir(exist_ok=True)
            with target.open("wb") as out:
                shutil.copyfileobj(file, out)
    return folder


def environment(pangea: Pangea, folder: Path, **more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "LANG", "SSL_CERT_FILE")}
    return {
        **kept, "HOME": str(folder), "NO_PROXY": "*", "PANGEA_API_CACHE_DIR": str(folder),
        "PANGEA_API_TESTING_ENDPOINT": pangea.url, "PANGEA_ENDPOINT": pangea.url, **more,
    }  # fmt: skip


def test_its_published_tests(pangea: Pangea, tmp_path: Path):
    folder = published_tests(tmp_path)
    done = subprocess.run(
        [str(client_python("pangea")), "-m", "unittest", "-v", "tests.test_api_client", "tests.test_contrib"],
        cwd=folder, env=environment(pangea, folder), capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    # One is skipped by its author.
    assert re.search(r"^Ran 24 tests in .*\n\nOK \(skipped=1\)$", done.stderr, re.MULTILINE), done.stderr[-3000:]


SCRIPT = r"""
import json, sys
from pangea_api import Knex, User, Organization, SampleGroup, Sample
from pangea_api.blob_constructors import sample_from_uuid, sample_group_from_uuid, sample_ar_from_uuid
from pangea_api.knex import PangeaForbiddenError, PangeaNotFoundError

url, email, password, key = sys.argv[1:]
out = {}
knex = Knex(url)
User(knex, email, password).login()
org = Organization(knex, f"org {key}").idem()
lib = org.sample_group(f"lib {key}", is_library=True, metadata={"a": 1}).create()
out["public"] = lib.is_public
one = lib.sample("one é", metadata={"tissue": "liver", "n": 1.5, "deep": {"x": [1, None]}}).create()
ar = one.analysis_result("mod::a.b", replicate="r1").create()
field = ar.field("f", {"v": [1, 2.5]}).create()

# What was created is found again by another client, equal, by name.
other = Knex(url).login(email, password)
found = Sample(other, SampleGroup(other, Organization(other, org.name), lib.name), "one é").get()
out["metadata"] = found.metadata == one.metadata
got = found.analysis_result("mod::a.b", replicate="r1").field("f").get()
out["data"] = got.stored_data
got.stored_data = {"v": "new"}
got.save()
out["saved"] = ar.field("f").get().stored_data

# A plain group with a sample: save() sends the blank description that the reference refuses.
grp = org.sample_group(f"grp {key}").create()
grp.add_sample(one).save()
out["members"] = [s.name for s in grp.get_samples(cache=False)]
gar = grp.analysis_result("gm").create()
gar.field("gf", {"g": 1}).create()
out["manifest"] = [len(grp.get_manifest()["samples"]), len(grp.get_manifest()["analysis_results"])]
out["counts"] = grp.get_module_counts()
out["results"] = [a.module_name for a in one.get_analysis_results()]
out["fields"] = [f.name for f in ar.get_fields()]
out["by uuid"] = [sample_from_uuid(knex, one.uuid).lib.name, sample_group_from_uuid(knex, grp.uuid).name,
                  sample_ar_from_uuid(knex, ar.uuid).sample.name]

# More than one page, by its own iterator.
many = [f"s{i:03}" for i in range(120)]
knex.post("bulk_samples", json={"library": lib.uuid, "names": many})
out["paged"] = len(list(lib.get_samples(cache=False)))

# The document's delete() works on every object; afterwards the thing is gone.
two = lib.sample("two").create()
out["deleted"] = []
for thing in (got, two, gar, grp):
    thing.delete()
    out["deleted"].append(thing._deleted)
try:
    knex.get(f"samples/{two.uuid}")
except PangeaNotFoundError:
    out["gone"] = True
try:
    Knex(url).post("organizations", json={"name": "x"})
except PangeaForbiddenError:
    out["forbidden"] = True
lib2 = org.sample_group(f"lib2 {key}", is_library=True).create()
one.change_library(lib2)
one.save()
out["moved"] = Knex(url).get(f"samples/{one.uuid}")["library"] == lib2.uuid
print("RESULT" + json.dumps(out))
"""


def test_what_a_user_does_with_it(pangea: Pangea, ann: Person, tmp_path: Path):
    done = run_client(
        "pangea", SCRIPT, pangea.url, ann.email, PASSWORD, pangea.name("real"), folder=tmp_path,
        environment={"PANGEA_API_CACHE_DIR": str(tmp_path)},
    )  # fmt: skip
    assert "RESULT" in done.stdout, done.stderr[-2000:]
    out = json.loads(done.stdout.partition("RESULT")[2])
    assert out == {
        "public": True, "metadata": True, "data": {"v": [1, 2.5]}, "saved": {"v": "new"}, "members": ["one é"],
        "manifest": [1, 1], "counts": {"n_samples": 1, "mod::a.b": 1}, "results": ["mod::a.b"], "fields": ["f"],
        "by uuid": [out["by uuid"][0], out["by uuid"][1], "one é"], "paged": 121, "deleted": [True] * 4,
        "gone": True, "forbidden": True, "moved": True,
    }  # fmt: skip


def test_its_command_line(pangea: Pangea, ann: Person, tmp_path: Path):
    tool = client_python("pangea").parent / "pangea-api"
    own = environment(pangea, tmp_path, PANGEA_USER=ann.email, PANGEA_PASS=PASSWORD)

    def run(*args: str) -> str:
        login = ["-e", ann.email, "-p", PASSWORD, "--endpoint", pangea.url]
        done = subprocess.run(
            [str(tool), *args[:2], *login, *args[2:]],
            cwd=tmp_path, env=own, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, (args, done.stdout, done.stderr[-1500:])
        return done.stdout

    org, lib, grp = pangea.name("cli org"), pangea.name("cli lib"), pangea.name("cli grp")
    run("create", "org", org)
    run("create", "sample-group", "--library", org, lib)
    run("create", "sample-group", "--not-library", org, grp)
    run("create", "samples", org, lib, "a", "b", "c")
    assert [line.split()[0] for line in run("list", "samples", org, lib).splitlines() if line.strip()]
    run("add", "samples-to-group", org, lib, org, grp, "a", "b")
    group = ann("GET", f"nested/{org}/sample_groups/{grp}")
    samples = ann("GET", f"sample_groups/{group['uuid']}/samples")["results"]
    assert [one["name"] for one in samples] == ["a", "b"]
    run("delete", "sample", samples[0]["uuid"])
    ann("GET", f"samples/{samples[0]['uuid']}", 404)
    assert ann.email in run("user", "info")


def test_the_door_s_page_runs(pangea: Pangea, ann: Person, tmp_path: Path):
    page = Path(__file__).resolve().parents[2] / "docs" / "faces" / "pangea.md"
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    script = blocks[0].replace("https://commons.example.org", pangea.url).replace("My lab", pangea.name("lab"))
    environment = {"API_KEY": ann.token, "PANGEA_API_CACHE_DIR": str(tmp_path)}
    done = run_client("pangea", script, folder=tmp_path, environment=environment)
    assert done.returncode == 0, done.stderr
    library = ann("GET", "sample_groups", params={"name": "Run 7"})["results"][0]
    # The second needs a file from another door.
    place = f"/commensal/v1/projects/{library['uuid']}/files/data/matrix.h5ad"
    pangea.running.client.put(place, content=b"matrix", headers=pangea.running.bearer(ann.email)).raise_for_status()
    done = run_client("pangea", script + blocks[1], folder=tmp_path, environment=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("matrix.h5ad 6 ")
    assert (tmp_path / "matrix.h5ad").read_bytes() == b"matrix"
    assert ann("GET", f"sample_groups/{library['uuid']}/module_counts") == {"n_samples": 1, "kraken2": 1}

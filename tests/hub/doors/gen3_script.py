"""Run by the interpreter that has the real ``gen3`` SDK: writes or reads one thing. See door.py."""

import hashlib
import json
import pathlib
import sys
from urllib.parse import quote

import requests
from gen3.auth import Gen3Auth
from gen3.file import Gen3File
from gen3.index import Gen3Index
from gen3.submission import Gen3Submission

given = json.loads(sys.argv[1])
auth = Gen3Auth(refresh_token=given["key"])
submission, files, index = Gen3Submission(auth), Gen3File(auth), Gen3Index(auth)


def write():
    program, code, name = given["program"], given["code"], given["file_name"]
    project = {"type": "project", "code": code, "name": given["title"], "dbgap_accession_number": code}
    submission.create_project(program, project)
    sample = {"type": "sample", "submitter_id": given["sample"], **given["values"]}
    submission.submit_record(program, code, sample)
    data = pathlib.Path("data.bin").read_bytes()
    made = files.upload_file(name)  # to the uploader's own place; the submission claims it for the project
    requests.put(made["url"], data=data).raise_for_status()
    record = index.get_record(made["guid"])
    assert record["size"] == len(data), record
    assert record["hashes"]["md5"] == hashlib.md5(data).hexdigest(), record
    document = {
        "type": "data_file",
        "submitter_id": name,
        "file_name": name,
        "file_size": record["size"],
        "md5sum": record["hashes"]["md5"],
        "object_id": made["guid"],
        "samples": {"submitter_id": given["sample"]},
    }
    answer = submission.submit_record(program, code, document)
    assert answer["success"], answer
    return {}


def read():
    query = "query($s: [String]) {sample(submitter_id: $s, first: 0) {submitter_id project_id %s}}"
    names = [*given["values"], "metadata"]
    rows = submission.query(query % " ".join(names), {"s": [given["sample"]]})["data"]["sample"]
    assert len(rows) == 1, rows
    row = rows[0]
    extra = json.loads(row.pop("metadata") or "{}")
    project = submission.query("{project(first: 0) {code name project_id}}")["data"]["project"]
    title = next(one["name"] for one in project if one["project_id"] == row["project_id"])
    # Gen3Index asks for lists without its token; the SDK's own curl sends it.
    found = auth.curl("/index/index?file_name=" + quote(given["file_name"])).json()["records"]
    assert len(found) == 1, found
    record = found[0]
    place = f"/ga4gh/drs/v1/objects/{record['did']}"
    described = auth.curl(place).json()
    sums = {one["type"]: one["checksum"] for one in described["checksums"]}
    assert (described["size"], sums["md5"]) == (record["size"], record["hashes"]["md5"]), described
    address = auth.curl(f"{place}/access/{described['access_methods'][0]['access_id']}").json()["url"]
    assert hashlib.md5(requests.get(address).content).hexdigest() == sums["md5"]
    assert files.download_single(record["did"], "got")
    data = pathlib.Path("got", given["file_name"]).read_bytes()
    return {
        "title": title,
        "sample": row["submitter_id"],
        "values": {name: row[name] if row.get(name) is not None else extra.get(name) for name in given["values"]},
        "md5": hashlib.md5(data).hexdigest(),
        "told_md5": record["hashes"]["md5"],
        "handle": record["did"],
    }


def refused():
    try:
        files.get_presigned_url(given["handle"])
    except requests.HTTPError as error:
        return {"status": error.response.status_code}
    return {"status": 200}


print(json.dumps({"write": write, "read": read, "refused": refused}[given["action"]]()))

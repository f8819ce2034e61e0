"""Run by the interpreter that has the real ``pangea_api``: writes or reads one thing. See door.py."""

import hashlib
import json
import os
import pathlib
import sys

os.environ["PANGEA_API_CACHE_DIR"] = "."

from pangea_api import Knex, Organization
from pangea_api.blob_constructors import sample_group_from_uuid
from pangea_api.knex import PangeaForbiddenError

given = json.loads(sys.argv[1])
knex = Knex(given["url"])
knex.add_auth_token(given["key"]["token"])
MODULE = "raw::data"


def write():
    library = Organization(knex, given["program"]).get().sample_group(given["title"], is_library=True).create()
    library.is_public = False  # this client's create() always makes public ones
    library.save()
    sample = library.sample(given["sample"], metadata=given["values"]).create()
    name = given["file_name"]
    sample.analysis_result(MODULE).create().field(name).create().upload_file(name)
    return {}


def read():
    found = [one for one in knex.get("sample_groups")["results"] if one["name"] == given["title"]]
    assert len(found) == 1, found
    library = sample_group_from_uuid(knex, found[0]["uuid"])
    sample = library.sample(given["sample"]).get()
    name = given["file_name"]
    assert given["sample"] in [one.name for one in library.get_samples()]
    mine = [one.module_name for one in sample.get_analysis_results()] == [MODULE]
    result = (sample.analysis_result(MODULE) if mine else library.analysis_result("commensal::files")).get()
    if not mine:
        assert result.uuid in [one.uuid for one in library.get_analysis_results()]
    assert [one.name for one in result.get_fields()] == [name]
    field = result.field(name).get()
    assert field.get_referenced_filename().endswith(".bin")
    data = pathlib.Path(field.download_file()).read_bytes()
    return {
        "title": library.name,
        "sample": sample.name,
        "values": {name: sample.metadata.get(name) for name in given["values"]},
        "md5": hashlib.md5(data).hexdigest(),
        "told_md5": field.stored_data.get("md5"),  # what this door uploaded has none
        "handle": f"{field.canon_url()}/{field.uuid}",
    }


def refused():
    try:
        knex.get(given["handle"])
    except PangeaForbiddenError:
        return {"status": 403}
    return {"status": 200}


print(json.dumps({"write": write, "read": read, "refused": refused}[given["action"]]()))

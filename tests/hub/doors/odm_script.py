"""Run by the interpreter that has the real ``odm_api``: writes or reads one thing. See door.py."""

import hashlib
import json
import pathlib
import sys
import time

import odm_api
from odm_api.rest import ApiException

given = json.loads(sys.argv[1])
configuration = odm_api.Configuration(host=given["url"])
configuration.api_key["Genestack-API-Token"] = given["key"]["api_token"]


def done(client, info):
    """Wait for a job and return its result."""
    jobs = odm_api.JobOperationsApi(client)
    end = time.monotonic() + 60
    while info.status in ("STARTING", "RUNNING") and time.monotonic() < end:
        time.sleep(0.05)
        info = jobs.info(info.job_exec_id)
    output = jobs.output(info.job_exec_id)
    assert info.status == "COMPLETED", output
    return output.result


def write(client):
    imports, direct = odm_api.DataImportJobsApi(client), odm_api.DataImportViaDirectFileUploadApi(client)
    body = odm_api.ImportMetadataRequest(metadata_link=given["link"])
    study = done(client, imports.start_import_study(body=body))["accession"]
    values = given["values"]
    table = "\t".join(["Sample Source ID", *values]) + "\n" + "\t".join([given["sample"], *map(str, values.values())])
    done(client, direct.start_import_samples_multipart(file=("samples.tsv", table.encode()), study_id=study))
    data = pathlib.Path("data.bin").read_bytes()
    file = (given["file_name"], data)
    done(client, direct.start_import_a_file_multipart(file=file, study_accession=study, data_class="Other"))
    return {}


def read(client):
    samples, studies = odm_api.SampleSPoTAsUserApi(client), odm_api.StudyIntegrationAsUserApi(client)
    found = samples.search_samples_as_user(filter=f'"Sample Source ID"="{given["sample"]}"').data
    assert len(found) == 1, found
    sample = found[0]
    study = studies.get_study_by_sample_as_user(sample["genestack:accession"])
    files = odm_api.FilesAsUserApi(client)
    found = files.get_files_metadata_as_user(filter=f'"genestack:name"="{given["file_name"]}"').data
    assert len(found) == 1, found
    accession = found[0]["genestack:accession"]
    described = files.get_file_metadata_by_id_as_user(accession)
    assert described["genestack:name"] == given["file_name"]
    data = bytes(files.get_file_as_user(accession))
    assert bytes(files.get_file_as_user(accession, range="bytes=1000000-1000099")) == data[1000000:1000100]
    info = files.head_file_as_user_with_http_info(accession)
    length = next(value for name, value in info.headers.items() if name.lower() == "content-length")
    assert int(length) == len(data)
    return {
        "title": study["genestack:name"],
        "sample": sample["Sample Source ID"],
        "values": {name: sample.get(name) for name in given["values"]},
        "md5": hashlib.md5(data).hexdigest(),
        "told_md5": described["commensal:md5"],
        "handle": accession,
    }


def refused(client):
    try:
        odm_api.FilesAsUserApi(client).get_file_as_user(given["handle"])
    except ApiException as error:
        return {"status": error.status}
    return {"status": 200}


with odm_api.ApiClient(configuration) as api_client:
    print(json.dumps({"write": write, "read": read, "refused": refused}[given["action"]](api_client)))

"""Run by the real client's interpreter: imports by link and by form, jobs, deletion; the results as JSON.

Arguments: the address, an API token, and a JSON object of links and names.
"""

import hashlib
import json
import sys
import time

import odm_api
from odm_api.rest import ApiException

host, token, text = sys.argv[1:4]
given = json.loads(text)
configuration = odm_api.Configuration(host=host)
configuration.api_key["Genestack-API-Token"] = token
client = odm_api.ApiClient(configuration)
imports, jobs = odm_api.DataImportJobsApi(client), odm_api.JobOperationsApi(client)
direct, files, manage = (
    odm_api.DataImportViaDirectFileUploadApi(client),
    odm_api.FilesAsUserApi(client),
    odm_api.ManageDataApi(client),
)
seen: dict = {}


def done(info):
    end = time.monotonic() + 60
    while info.status in ("STARTING", "RUNNING") and time.monotonic() < end:
        time.sleep(0.05)
        info = jobs.info(info.job_exec_id)
    output = jobs.output(info.job_exec_id)
    errors = [[one.stage, [[s.type, s.message] for s in one.stack]] for one in output.errors or []]
    return {
        "id": info.job_exec_id,
        "by": info.started_by,
        "name": info.job_name,
        "status": info.status,
        "ended": info.end_time is not None,
        "result": output.result,
        "errors": errors,
    }


def refusal(call):
    try:
        call()
    except ApiException as error:
        return [type(error).__name__, error.status, json.loads(error.body)["error"]["message"]]
    return None


metadata = odm_api.ImportMetadataRequest
seen["study"] = done(imports.start_import_study(body=metadata(metadata_link=given["study"])))
study = seen["study"]["result"]["accession"]


def a_file(link, **more):
    body = {"data_link": link, "study_accession": study, "data_class": "Bulk transcriptomics", **more}
    return odm_api.ImportAFileRequest(**body)


seen["file"] = done(imports.start_import_a_file(body=a_file(given["data"], metadata_link=given["metadata"])))
accession = seen["file"]["result"]["accession"]
seen["object"] = files.get_file_metadata_by_id_as_user(accession)
seen["md5"] = hashlib.md5(bytes(files.get_file_as_user(accession))).hexdigest()
seen["found"] = [
    one["genestack:accession"] for one in files.get_files_metadata_as_user(filter=f'batch="{given["batch"]}"').data
]
seen["again"] = refusal(lambda: imports.start_import_a_file(body=a_file(given["data"])))
seen["absent"] = done(imports.start_import_a_file(body=a_file(given["absent"])))
seen["bad table"] = done(imports.start_import_a_file(body=a_file(given["other"], metadata_link=given["samples"])))
seen["restarted absent"] = done(jobs.restart(seen["absent"]["id"]))
seen["stop ended"] = refusal(lambda: jobs.stop(seen["file"]["id"]))
seen["restart completed"] = refusal(lambda: jobs.restart(seen["file"]["id"]))
seen["not on the list"] = refusal(lambda: imports.start_import_a_file(body=a_file("http://127.0.0.1:9/x")))
seen["no link"] = refusal(lambda: imports.start_import_a_file(body=a_file("file:///etc/passwd")))
seen["class"] = refusal(lambda: imports.start_import_a_file(body=a_file(given["data"], data_class="Nonsense")))
seen["no study"] = refusal(lambda: imports.start_import_a_file(body=a_file(given["data"], study_accession="GSF1")))
seen["no job"] = refusal(lambda: jobs.info(999_999_999))

content = b"\x1f\x8b" + bytes(range(256)) * 2000
seen["form"] = done(
    direct.start_import_a_file_multipart(
        file=("sent.bin", content),
        study_accession=study,
        data_class="Document",
        metadata_file=("m.tsv", b"note\tlist\r\nfrom a form\tx | y || z\r\n"),
    )
)
sent = seen["form"]["result"]["accession"]
seen["form object"] = files.get_file_metadata_by_id_as_user(sent)
seen["form same"] = bytes(files.get_file_as_user(sent)) == content
seen["form bad table"] = done(
    direct.start_import_a_file_multipart(
        file=b"x", study_accession=study, data_class="Other", metadata_file=("m.tsv", b"a\tb\n1\t2\n3\t4\n")
    )
)
seen["form restart"] = refusal(lambda: jobs.restart(seen["form bad table"]["id"]))
seen["form class"] = refusal(
    lambda: direct.start_import_a_file_multipart(file=b"x", study_accession=study, data_class="Nonsense")
)
seen["samples"] = done(imports.start_import_samples(body=metadata(metadata_link=given["samples"])))
seen["samples twice"] = done(
    imports.start_import_samples(body=metadata(metadata_link=given["samples"]), allow_dups=True)
)
more = ("s.tsv", given["more"].encode())
seen["samples form"] = done(direct.start_import_samples_multipart(file=more, study_id=study))
more = ("l.tsv", given["libraries"].encode())
seen["libraries form"] = done(direct.start_import_libraries_multipart(file=more, study_id=study))
seen["sample"] = odm_api.SampleSPoTAsUserApi(client).search_samples_as_user(filter='"Sample Source ID"=M1').data
seen["library"] = odm_api.LibrarySPoTAsUserApi(client).search_libraries_as_user(filter='"Library ID"=L1').data
seen["study object"] = odm_api.StudySPoTAsUserApi(client).get_study_as_user(study)
seen["deleted"] = [
    [one.genestackaccession, one.object_type, one.owner_email]
    for one in manage.delete_data(accessions=[sent, seen["samples"]["result"]["groupAccession"]])
]
seen["gone"] = refusal(lambda: files.get_file_metadata_by_id_as_user(sent))
seen["delete absent"] = refusal(lambda: manage.delete_data(accessions=[accession, "GSF999999999"]))
seen["still there"] = files.get_file_metadata_by_id_as_user(accession)["genestack:name"]
seen["samples anew"] = done(imports.start_import_samples(body=metadata(metadata_link=given["samples"])))
linkage = odm_api.SampleIntegrationAsCuratorApi(client)
linkage.create_sample_group_study_link_as_curator(seen["samples anew"]["result"]["groupAccession"], study)
seen["linked"] = [one["Sample Source ID"] for one in linkage.get_samples_by_study_as_curator(study).data]
print(json.dumps(seen, default=str))

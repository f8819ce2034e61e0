"""Run by a client's own interpreter: all four operations with ``odm_api``, the results as JSON on standard output.

Arguments: the module that is imported as odm_api, the address, the API token, the access token, accessions by comma.
"""

import hashlib
import importlib
import json
import sys

module, host, api_token, access_token, accessions = sys.argv[1:6]
odm_api = importlib.import_module(module)
ApiException = importlib.import_module(f"{module}.rest").ApiException
ListResponse = importlib.import_module(f"{module}.models.list_response").ListResponse

seen: dict = {"files": {}, "refused": {}, "auth": {}}


def client(prefix=None, **keys):
    configuration = odm_api.Configuration(host=host)
    for name, value in keys.items():
        configuration.api_key[name.replace("_", "-")] = value
        if prefix:
            configuration.api_key_prefix[name.replace("_", "-")] = prefix
    return odm_api.ApiClient(configuration)


def lower(headers):
    return {name.lower(): value for name, value in headers.items()}


def refusal(call):
    try:
        call()
    except ApiException as error:
        return [type(error).__name__, error.status, error.body if isinstance(error.body, str) else None]
    return None


with client(Genestack_API_Token=api_token) as api_client:
    api = odm_api.FilesAsUserApi(api_client)
    page = api.get_files_metadata_as_user()
    assert isinstance(page, ListResponse)
    pagination = page.meta.pagination
    seen["page"] = [pagination.count, pagination.total, pagination.offset, pagination.limit]
    seen["list"] = [one["genestack:accession"] for one in page.data]
    second = api.get_files_metadata_as_user(page_limit=2, page_offset=1)
    seen["second"] = [one["genestack:accession"] for one in second.data]
    zipped = api.get_files_metadata_as_user(filter='"genestack:name"=arch*.zip')
    seen["filter"] = [one["genestack:name"] for one in zipped.data]
    seen["query"] = [o["genestack:name"] for o in api.get_files_metadata_as_user(query="seurat_clusters").data]
    seen["with contents"] = sum("contents" in one for one in api.get_files_metadata_as_user(include_contents=True).data)
    for id in accessions.split(","):
        metadata = api.get_file_metadata_by_id_as_user(id, include_contents=True)
        data = api.get_file_as_user(id)
        assert isinstance(data, (bytes, bytearray))
        info = api.get_file_as_user_with_http_info(id, range="bytes=0-")
        seen["files"][id] = {
            "metadata": metadata,
            "kind": type(data).__name__,
            "md5": hashlib.md5(bytes(data)).hexdigest(),
            "same": bytes(info.data) == bytes(data),
            "status": info.status_code,
            "tail": bytes(api.get_file_as_user(id, range="bytes=-3")).hex(),
            "head": api.head_file_as_user(id),
            "length": int(lower(api.head_file_as_user_with_http_info(id).headers)["content-length"]),
        }
    raw = api.get_files_metadata_as_user_without_preload_content(_headers={"Accept": "text/tab-separated-values"})
    seen["tsv"] = raw.read().decode()
    one = accessions.split(",")[0]
    seen["refused"] = {
        "filter": refusal(lambda: api.get_files_metadata_as_user(filter="a=")),
        "absent": refusal(lambda: api.get_file_metadata_by_id_as_user("GSF999999999")),
        "absent bytes": refusal(lambda: api.get_file_as_user("GSF999999999")),
        "absent head": refusal(lambda: api.head_file_as_user("GSF999999999")),
        "ranges": refusal(lambda: api.get_file_as_user(one, range="bytes=0-1,3-4")),
        "behind": refusal(lambda: api.get_file_as_user(one, range="bytes=99999999-")),
        "slash": refusal(lambda: api.get_file_metadata_by_id_as_user("GSF/1")),
    }
for name, made in {
    "both, one key, no prefix": client(Access_token=api_token, Genestack_API_Token=api_token),
    "bearer": client("Bearer", Access_token=access_token),
    "raw access token": client(Access_token=access_token),
    "both with prefix": client("Bearer", Access_token=access_token, Genestack_API_Token=api_token),
    "wrong bearer beside a token": client(Access_token="Bearer wrong", Genestack_API_Token=api_token),
    "wrong": client(Genestack_API_Token="wrong"),
    "none": client(),
}.items():
    with made as api_client:
        seen["auth"][name] = refusal(
            lambda: odm_api.FilesAsUserApi(api_client).get_files_metadata_as_user(page_limit=0)
        )
print(json.dumps(seen))

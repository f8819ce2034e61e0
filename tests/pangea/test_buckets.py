"""Registered buckets, sealed keys, and addresses signed with them (contracts/pangea.md b9)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from commensal.core.buckets import check_endpoint, parse_remote
from commensal.core.presigning import presigned_get, region_of
from commensal.errors import Invalid
from tests.gen3.conftest import run_sql
from tests.pangea.conftest import Pangea, Person

SECRET = "sec/ret+Key-of-the-bucket"
STORE = "https://s3.eu-central-1.amazonaws.com"


def test_a_signature_is_the_one_of_the_standard():
    """The example of "Using Query Parameters (AWS Signature Version 4)"."""
    address = presigned_get(
        "https://examplebucket.s3.amazonaws.com", "test.txt", public_key="AKIAIOSFODNN7EXAMPLE",
        private_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", region="us-east-1", seconds=86400,
        now=datetime(2013, 5, 24, tzinfo=UTC),
    )  # fmt: skip
    signature = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    assert parse_qs(urlsplit(address).query)["X-Amz-Signature"] == [signature]
    assert address.startswith("https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&")


def test_a_signature_is_that_of_botocore():
    botocore = pytest.importorskip("botocore")
    from botocore.auth import S3SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    assert botocore
    request = AWSRequest("GET", "http://store.example:9000/base/bucket/a%20b/%C3%A9%2B.txt")
    S3SigV4QueryAuth(Credentials("public", SECRET), "s3", "eu-west-3", expires=60).add_auth(request)
    signed = urlsplit(str(request.url))
    query = parse_qs(signed.query)
    now = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    ours = presigned_get(
        "http://store.example:9000/base/", "bucket/a b/é+.txt", public_key="public", private_key=SECRET,
        region="eu-west-3", seconds=60, now=now,
    )  # fmt: skip
    assert parse_qs(urlsplit(ours).query) == query
    assert urlsplit(ours).path == signed.path


def test_regions_and_endpoints():
    assert region_of(STORE) == "eu-central-1"
    assert region_of("https://s3-us-west-2.amazonaws.com") == "us-west-2"
    assert region_of("https://s3.amazonaws.com") == region_of("http://10.0.0.1:9000") == "us-east-1"
    assert check_endpoint(" https://store.example:9000/ ") == "https://store.example:9000"
    for bad in ("", "store", "ftp://x", "https://", "https://u:p@x", "https://x?a=b", "https://x:99999", "http://a b"):
        with pytest.raises(Invalid):
            check_endpoint(bad)
    good = {"__type__": "S3", "uri": "s3://b/a/c.txt", "endpoint_url": f"{STORE}/"}
    remote = parse_remote(good)
    assert remote is not None
    assert (remote.endpoint, remote.bucket, remote.key) == (STORE, "b", "a/c.txt")
    for wrong in ("s3://b", "s3://b/", "s3://b/../c", "s3://b/a//c", "http://b/c", 5, None):
        assert parse_remote({**good, "uri": wrong}) is None
    assert parse_remote("s3") is parse_remote({**good, "__type__": 1}) is None


def registered(pangea: Pangea, who: Person, org: str) -> tuple[dict[str, Any], dict[str, Any]]:
    body = {"name": pangea.name("bucket").replace(" ", "-"), "endpoint_url": f"{STORE}/", "organization": org}
    bucket = who("POST", "s3_buckets", 201, json=body)
    assert who("POST", "s3_buckets", 400, json=body) == {"name": ["This organization has registered this bucket."]}
    sent = {"bucket": bucket["uuid"], "public_key": "AKIA", "private_key": SECRET, "description": "d"}
    return bucket, who("POST", "s3_api_keys", 201, json=sent)


def test_buckets_and_keys_are_the_members_own(pangea: Pangea, ann: Person, bob: Person):
    org = pangea.library(ann)["organization"]
    bucket, key = registered(pangea, ann, org)
    assert bucket == {"uuid": bucket["uuid"], "name": bucket["name"], "endpoint_url": STORE, "organization": org}
    assert set(key) == {"uuid", "description", "created_at", "updated_at", "bucket", "public_key"}
    assert ann("GET", f"s3_buckets/{bucket['uuid']}") == bucket
    assert ann("GET", f"s3_api_keys/{key['uuid']}") == key
    ann("GET", f"s3_api_keys/{bucket['uuid']}", 404)
    assert ann("GET", f"s3_buckets?organization_id={org}")["results"] == [bucket]
    assert ann("GET", f"s3_api_keys?bucket={bucket['uuid']}")["results"] == [key]
    for kind, one in (("s3_buckets", bucket), ("s3_api_keys", key)):
        assert bob("GET", kind)["results"] == []
        bob("GET", f"{kind}/{one['uuid']}", 404)
        bob("DELETE", f"{kind}/{one['uuid']}", 403)
        pangea.stranger("GET", kind, 403)
    bob("POST", "s3_buckets", 403, json={"name": "b", "endpoint_url": STORE, "organization": org})
    bob("POST", "s3_api_keys", 403, json={"bucket": bucket["uuid"], "public_key": "p", "private_key": "s"})
    assert list(ann("POST", "s3_buckets", 400, json={"name": "b", "endpoint_url": "nowhere", "organization": org})) == [
        "endpoint_url"
    ]
    # The secret is nowhere in the database.
    held = run_sql(pangea.dsn, "select k::text as row from bucket_keys k union all select a::text from audit_events a")
    assert SECRET not in str(held)
    assert SECRET.encode().hex() not in str(held)
    ann("DELETE", f"s3_api_keys/{key['uuid']}", 204)
    ann("DELETE", f"s3_buckets/{bucket['uuid']}", 204)
    assert ann("GET", f"s3_buckets?organization_id={org}")["count"] == 0


def test_what_a_member_placed_there_is_signed_for_who_may_download(pangea: Pangea, ann: Person, bob: Person):
    library = pangea.library(ann, is_public=False)
    bucket, _ = registered(pangea, ann, library["organization"])
    sample = pangea.sample(ann, library)
    result = pangea.result(ann, sample)
    data = {"__type__": "s3", "uri": f"s3://{bucket['name']}/raw data/x.fq.gz", "endpoint_url": STORE}

    def field(who: Person, name: str, stored: dict[str, Any]) -> dict[str, Any]:
        body = {"analysis_result": result["uuid"], "name": name, "stored_data": stored}
        return who("POST", "sample_ar_fields", 201, json=body)

    made = field(ann, "reads", data)
    address = made["stored_data"].pop("presigned_url")
    assert made["stored_data"] == data
    assert address.startswith(f"{STORE}/{bucket['name']}/raw%20data/x.fq.gz?X-Amz-Algorithm=")
    assert "%2Feu-central-1%2Fs3%2Faws4_request" in address
    # Sent back with the address, it is kept without; another address in a store of one's own stays.
    changed = ann("PUT", f"sample_ar_fields/{made['uuid']}", json={"stored_data": {**data, "presigned_url": address}})
    assert changed["stored_data"]["presigned_url"].startswith(STORE)
    held = run_sql(pangea.dsn, "select props->>'value' as value from records where uuid = $1", made["uuid"])
    assert json.loads(held[0]["value"]) == data
    kept = {**data, "uri": "s3://other/x", "presigned_url": "https://elsewhere/"}
    assert field(ann, "kept", kept)["stored_data"] == kept
    manifest = ann("GET", f"samples/{sample['uuid']}/manifest")
    assert "presigned_url" in manifest["analysis_results"][0]["fields"][0]["stored_data"]
    for other in ({"endpoint_url": "https://other.example"}, {"uri": "s3://other/x"}, {"__type__": "sra"}):
        assert field(ann, str(other), {**data, **other})["stored_data"] == {**data, **other}

    project = run_sql(
        pangea.dsn,
        "select g.code || '-' || p.code as id from projects p join programs g on g.seq = p.program where p.uuid = $1",
        library["uuid"],
    )[0]["id"]
    reader = pangea.person("reader")
    pangea.running.admin("grant", reader.email, "viewer", project)
    assert reader("GET", f"sample_ar_fields/{made['uuid']}")["stored_data"] == data
    # Who may write in one library only cannot have anything of the organization's bucket signed.
    pangea.running.admin("grant", bob.email, "contributor", project)
    theft = field(bob, "theft", data)
    assert theft["stored_data"] == data
    ann("PUT", f"sample_ar_fields/{theft['uuid']}", json={"description": "looks good", "stored_data": data})
    assert bob("GET", f"sample_ar_fields/{theft['uuid']}")["stored_data"] == data
    assert "presigned_url" in bob("GET", f"sample_ar_fields/{made['uuid']}")["stored_data"]
    ann("PATCH", f"sample_groups/{library['uuid']}", json={"is_public": True})
    assert "presigned_url" in pangea.stranger("GET", f"sample_ar_fields/{made['uuid']}")["stored_data"]

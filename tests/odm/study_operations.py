"""What a curator does with the real ``odm_api``: run with its interpreter, prints what it saw as JSON.

Arguments: address, the keys of a curator and of a site admin (API tokens), accessions as JSON.
"""

from __future__ import annotations

import json
import sys

import odm_api

url, curator_token, admin_token, given = sys.argv[1:5]
names = json.loads(given)
seen: dict = {}


def client(token):
    configuration = odm_api.Configuration(host=url)
    configuration.api_key["Genestack-API-Token"] = token
    return odm_api.ApiClient(configuration)


def refusal(call):
    try:
        call()
    except odm_api.ApiException as error:
        return [type(error).__name__, error.status, error.body]
    return None


def data(page):
    return page.data


def plain(model):
    """All fields, also those that the model's own to_dict leaves out as read-only."""
    return json.loads(model.model_dump_json(by_alias=True, exclude_none=True))


with client(curator_token) as api:
    user, curator = odm_api.StudySPoTAsUserApi(api), odm_api.StudySPoTAsCuratorApi(api)
    page = user.search_studies_as_user(filter='"genestack:name"="Renal study"', page_limit=10)
    seen["studies"] = [plain(page.meta.pagination), page.data]
    seen["by words"] = [one["genestack:accession"] for one in data(user.search_studies_as_user(query="renal"))]
    seen["sorted"] = [one["genestack:name"] for one in data(curator.search_studies_as_curator(sort="-genestack:name"))]
    seen["study"] = user.get_study_as_user(names["study"])
    seen["changed study"] = curator.update_study_as_curator(
        names["study"], {"Study Source": "ArrayExpress", "year": "2026", "genestack:name": "Renal study 2"}
    )
    versions = user.get_study_versions_as_user(names["study"])
    seen["study versions"] = [plain(one) for one in versions]
    seen["study before"] = user.get_study_by_version_as_user(names["study"], "1")

    samples, sample_curator = odm_api.SampleSPoTAsUserApi(api), odm_api.SampleSPoTAsCuratorApi(api)
    integration, as_curator = odm_api.SampleIntegrationAsUserApi(api), odm_api.SampleIntegrationAsCuratorApi(api)
    seen["home"] = [
        one["genestack:accession"] for one in data(samples.search_samples_as_user(filter=f"groupId={names['group']}"))
    ]
    seen["in study before"] = len(integration.get_samples_by_study_as_user(names["study"]).data)
    seen["join"] = as_curator.create_sample_group_study_link_as_curator(names["group"], names["study"])
    page = integration.get_samples_by_study_as_user(names["study"], page_limit=2)
    seen["in study"] = [plain(page.meta.pagination), [one["Sample Source ID"] for one in page.data]]
    sample = page.data[0]["genestack:accession"]
    seen["sample"] = sample_curator.get_sample_as_curator(sample, response_format="term_id")
    seen["changed sample"] = sample_curator.update_sample_as_curator(
        sample, {"tissue": "kidney", "age": "61", "note": "x", "gone": None}
    )
    seen["removed"] = sample_curator.update_sample_as_curator(sample, {"note": None})
    seen["minimal"] = samples.get_sample_as_user(sample, returned_metadata_fields="minimal_data")
    seen["sample versions"] = [plain(one) for one in samples.get_sample_versions_as_user(sample)]
    seen["sample before"] = samples.get_sample_by_version_as_user(sample, "1")

    studies = odm_api.StudyIntegrationAsUserApi(api)
    seen["by samples"] = [
        one["genestack:accession"] for one in data(studies.get_studies_by_samples_as_user(filter="tissue=kidney"))
    ]
    seen["by sample"] = studies.get_study_by_sample_as_user(sample)["genestack:accession"]
    seen["by file"] = studies.get_study_by_file_as_user(names["file"])["genestack:accession"]
    seen["by files"] = [
        one["genestack:accession"]
        for one in data(studies.get_studies_by_files_as_user(filter='"genestack:name"="reads of study.txt"'))
    ]
    seen["files"] = [
        one["genestack:accession"]
        for one in odm_api.FilesIntegrationAsUserApi(api).get_files_by_study_as_user(names["study"])
    ]
    found = studies.search_studies_by_filter_as_user(
        odm_api.SearchStudyRequest.from_dict(
            {"filters": [{"type": "FULL_TEXT", "match": "renal", "mode": "STRICT"}], "page": {"limit": 5}}
        )
    )
    seen["browser"] = plain(found)
    option = next(
        option for group in found.filter_option_groups if group.filter_id == "Study Source" for option in group.options
    )
    chosen = odm_api.SearchStudyRequest.from_dict({"filters": [{"type": "SELECT", "filterOptionId": option.id}]})
    seen["chosen"] = [one.accession for one in studies.search_studies_by_filter_as_user(chosen).objects_page.content]

    publishing = odm_api.MetadataVersioningAsCuratorApi(api)
    task = publishing.publish_study_by_accession_as_curator(names["study"], version_message="After review")
    seen["task"] = plain(task)
    seen["same task"] = odm_api.TasksAPIApi(api).get_task_info(task.id) == task
    seen["named"] = [one.message for one in samples.get_sample_versions_as_user(sample)]
    sample_curator.update_sample_as_curator(sample, {"age": "old"})
    summary = odm_api.ValidationSummaryAsCuratorApi(api).get_study_validation_summary(names["study"])
    seen["summary"] = plain(summary)

    linkage, curated = odm_api.LinkageAsUserApi(api), odm_api.LinkageAsCuratorApi(api)
    seen["types"] = linkage.get_data_types_as_user()
    seen["pairs"] = [plain(one) for one in linkage.get_data_types_links_as_user(type="sample")]
    links = linkage.get_links_by_params_as_user(first_id=names["study"], second_type="sample", limit=1)
    seen["links"] = [plain(links.meta.pagination), links.data]
    batch = odm_api.BatchOfIds(first_type="sample", first_ids=[sample])
    seen["batch"] = data(linkage.get_links_by_ids_as_user(batch))
    link = odm_api.Link(
        first_id=names["group"], first_type="sampleGroup", second_id=names["study"], second_type="study"
    )
    seen["linked already"] = refusal(lambda: curated.save_links_as_curator([link]))
    curated.delete_link_as_curator(names["study"], names["group"], first_type="study", second_type="sampleGroup")
    seen["after delete"] = len(integration.get_samples_by_study_as_user(names["study"]).data)
    curated.save_links_as_curator([link])
    seen["after save"] = len(integration.get_samples_by_study_as_user(names["study"]).data)
    as_curator.delete_sample_group_study_link_as_curator(names["group"], names["study"])
    seen["refused"] = {
        "absent study": refusal(lambda: user.get_study_as_user("GSF1")),
        "no accession": refusal(lambda: user.get_study_as_user("nonsense")),
        "fixed": refusal(lambda: sample_curator.update_sample_as_curator(sample, {"genestack:accession": "GSF5"})),
        "bad filter": refusal(lambda: user.search_studies_as_user(filter="a =")),
        "bad sort page": refusal(lambda: user.search_studies_as_user(page_limit=2001)),
        "not linked": refusal(
            lambda: curated.delete_link_as_curator(
                names["study"], names["group"], first_type="study", second_type="sampleGroup"
            )
        ),
    }

    libraries = odm_api.LibrarySPoTAsUserApi(api)
    library_links = odm_api.LibraryIntegrationAsCuratorApi(api)
    library_links.create_library_group_sample_group_link_as_curator(names["libraries"], names["group"])
    seen["libraries"] = [
        one["Library ID"] for one in data(libraries.get_libraries_by_group_as_user(names["libraries"]))
    ]
    seen["of sample"] = [one["Library ID"] for one in library_links.get_library_by_sample_as_curator(sample)]
    seen["library groups"] = [
        one.item_id for one in library_links.get_library_groups_by_study_as_curator(names["study"])
    ]
    seen["of samples"] = [
        one["Library ID"] for one in data(library_links.get_libraries_by_samples_as_curator(filter="tissue=kidney"))
    ]
    seen["library pairs"] = library_links.get_library_links_to_samples_as_curator(names["libraries"]).data

    # As import scripts do it: samples and libraries as tables, then their groups are linked.
    uploads, jobs = odm_api.DataImportViaDirectFileUploadApi(api), odm_api.JobOperationsApi(api)
    brought = {}
    for kind, table in (
        ("samples", b"Sample Source ID\ttissue\nI1\tliver\nI2\tspleen\n"),
        ("libraries", b"Library ID\tSample Source ID\nL1\tI1\nL2\tI2\n"),
    ):
        start = getattr(uploads, f"start_import_{kind}_multipart")
        job = start(file=(f"{kind}.tsv", table), study_id=names["study"])
        brought[kind] = jobs.output(job.job_exec_id).result["groupAccession"]
    as_curator.create_sample_group_study_link_as_curator(brought["samples"], names["study"])
    library_links.create_library_group_sample_group_link_as_curator(brought["libraries"], brought["samples"])
    seen["imported"] = [
        one["Sample Source ID"] for one in data(integration.get_samples_by_study_as_user(names["study"]))
    ]
    seen["spleen"] = [
        one["Library ID"] for one in data(library_links.get_libraries_by_samples_as_curator(filter="tissue=spleen"))
    ]
    seen["study of libraries"] = [
        one["genestack:accession"] for one in data(studies.get_studies_by_libraries_as_user(filter='"Library ID"=L2'))
    ]

    groups = odm_api.GroupsApi(api)
    made = groups.create_group(odm_api.CreateGroupRequest(display_name="Nephrology"))
    seen["group"] = plain(made)
    seen["same name"] = refusal(lambda: groups.create_group(odm_api.CreateGroupRequest(display_name="nephrology")))
    seen["users refused"] = refusal(lambda: odm_api.UsersApi(api).find_users())

PATCH = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]
with client(admin_token) as api:
    users, groups = odm_api.UsersApi(api), odm_api.GroupsApi(api)
    new = users.create_user(
        odm_api.CreateUserRequest(
            active=True,
            emails=[odm_api.CreateUserRequestEmailsInner(type="work", value="new@example.org", primary=True)],
            user_name="new@example.org",
            display_name="New One",
            external_id="okta-1",
        )
    )
    seen["user"] = plain(new)
    found = users.find_users(
        filter='userName eq "new@example.org" and emails[type eq "work" and value eq "NEW@example.org"]'
    )
    seen["found user"] = [found.total_results, [one.id for one in found.resources]]
    operation = odm_api.GroupPatchOperationsInner(op="replace", value={"displayName": "Renamed"})
    seen["renamed"] = users.patch_user(new.id, odm_api.UserPatch(schemas=PATCH, operations=[operation])).display_name
    operation = odm_api.GroupPatchOperationsInner(op="add", value={"members": [{"value": new.id}]})
    groups.patch_group(seen["group"]["id"], odm_api.GroupPatch(schemas=PATCH, operations=[operation]))
    seen["members"] = [one.display for one in groups.get_group(seen["group"]["id"]).members]
    operation = odm_api.GroupPatchOperationsInner(op="remove", path=f'members[value eq "{new.id}"]')
    groups.patch_group(seen["group"]["id"], odm_api.GroupPatch(schemas=PATCH, operations=[operation]))
    seen["without members"] = groups.get_group(seen["group"]["id"], excluded_attributes="members").members
    computed = groups.find_groups(filter='displayName eq "Curator"').resources[0]
    seen["curators"] = sorted(one.display for one in computed.members)
    operation = odm_api.GroupPatchOperationsInner(op="replace", value={"displayName": "X"})
    body = odm_api.GroupPatch(schemas=PATCH, operations=[operation])
    seen["curator is computed"] = refusal(lambda: groups.patch_group(computed.id, body))
    users.delete_user(new.id)
    seen["switched off"] = [
        users.get_user(new.id).active,
        users.find_users(filter='externalId eq "okta-1"').total_results,
    ]
    groups.delete_group(seen["group"]["id"])
    seen["gone"] = refusal(lambda: groups.get_group(seen["group"]["id"]))
print(json.dumps(seen, default=str))

"""Files of a Genestack ODM server, as its documents show it: the import line is all that changes.

::

    import commensal.client.odm as odm_api
    from commensal.client.odm.rest import ApiException

    configuration = odm_api.Configuration(host="https://commons.example.org")
    configuration.api_key["Genestack-API-Token"] = os.environ["API_KEY"]
    with odm_api.ApiClient(configuration) as api_client:
        files = odm_api.FilesAsUserApi(api_client)
        page = files.get_files_metadata_as_user(filter="tissue=kidney")
        files.download("GSF1000", "counts.h5ad", progress=True)      # streamed, resumed, checked: ours alone
        files.list_files(query="carcinoma").to_pandas()              # all pages: ours alone

It works with any server that speaks this API (contracts/odm.md).
"""

from __future__ import annotations

from commensal.client.odm.api_client import ApiClient
from commensal.client.odm.api_response import ApiResponse
from commensal.client.odm.configuration import Configuration
from commensal.client.odm.exceptions import (
    ApiAttributeError,
    ApiException,
    ApiKeyError,
    ApiTypeError,
    ApiValueError,
    BadRequestException,
    ConflictException,
    ForbiddenException,
    NotFoundException,
    OpenApiException,
    ServiceException,
    UnauthorizedException,
    UnprocessableEntityException,
)
from commensal.client.odm.files_as_user_api import FilesAsUserApi
from commensal.client.odm.models.list_response import ListResponse, ListResponseMeta, ListResponseMetaPagination

__all__ = [
    "ApiAttributeError",
    "ApiClient",
    "ApiException",
    "ApiKeyError",
    "ApiResponse",
    "ApiTypeError",
    "ApiValueError",
    "BadRequestException",
    "Configuration",
    "ConflictException",
    "FilesAsUserApi",
    "ForbiddenException",
    "ListResponse",
    "ListResponseMeta",
    "ListResponseMetaPagination",
    "NotFoundException",
    "OpenApiException",
    "ServiceException",
    "UnauthorizedException",
    "UnprocessableEntityException",
]

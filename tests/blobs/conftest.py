"""A real gateway for the whole session, and a bucket of its own for each test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from commensal.storage.blobs.s3_place import S3Place, parse_s3
from tests.radosgw import PACKAGES, RadosGateway, missing_programs


@pytest.fixture(scope="session")
def gateway() -> Iterator[RadosGateway]:
    """A running radosgw."""
    missing = missing_programs()
    if missing:
        pytest.skip(f"no {missing[0]} here: apt-get install {' '.join(PACKAGES)}")
    with RadosGateway() as running:
        yield running


def place_at(endpoint: str, bucket: str, prefix: str = "some/where") -> S3Place:
    address = f"s3://{bucket}/{prefix}?endpoint={endpoint}&region=default"
    from tests.radosgw import ACCESS_KEY, SECRET_KEY

    return parse_s3(address, {"COMMENSAL_S3_ACCESS_KEY_ID": ACCESS_KEY, "COMMENSAL_S3_SECRET_ACCESS_KEY": SECRET_KEY})


@pytest.fixture
def place(gateway: RadosGateway) -> S3Place:
    """A fresh bucket."""
    from commensal.storage.blobs.s3_client import S3Client

    place = place_at(gateway.endpoint, f"test-{uuid.uuid4().hex[:12]}")
    client = S3Client(place)
    client.client.create_bucket(Bucket=place.bucket)
    client.close()
    return place

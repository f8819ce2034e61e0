"""A real gateway for the whole session, and a bucket of its own for each test."""

from __future__ import annotations

import atexit
import uuid

import pytest

from commensal.storage.blobs.s3_place import S3Place, parse_s3
from tests.radosgw import PACKAGES, RadosGateway, missing_programs

_started: list[RadosGateway] = []


@pytest.fixture(scope="session")
def gateway() -> RadosGateway:
    """A running radosgw."""
    missing = missing_programs()
    if missing:
        pytest.skip(f"no {missing[0]} here: apt-get install {' '.join(PACKAGES)}")
    if not _started:  # several conftests share this fixture, and pytest makes one for each
        running = RadosGateway()
        _started.append(running)
        atexit.register(running.stop)
        running.start()
    return _started[0]


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

"""Make the bucket of EARMARK_OBJECTS_URL where it is missing. To run it again does no harm."""

from __future__ import annotations

import os
import sys
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError


def main() -> int:
    """Give 0 if the bucket is there at the end, 3 if the server does not let us."""
    bucket = urlsplit(os.environ["EARMARK_OBJECTS_URL"]).hostname
    s3 = boto3.client(
        "s3",
        endpoint_url=os.environ.get("EARMARK_S3_ENDPOINT_URL"),
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    try:
        if bucket not in {found["Name"] for found in s3.list_buckets()["Buckets"]}:
            s3.create_bucket(Bucket=bucket)
    except (BotoCoreError, ClientError) as exc:
        sys.stderr.write(f"make_bucket: {bucket} cannot be made ({type(exc).__name__})\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""PrivateS3Storage: an S3 bucket that nobody reads without a signature, range by range."""

from __future__ import annotations

import io
import shutil
from contextlib import ExitStack, closing
from http import HTTPStatus
from pathlib import PurePosixPath
from tempfile import SpooledTemporaryFile
from types import SimpleNamespace
from typing import IO, Any, cast
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, SuspiciousFileOperation
from django.core.files import File
from storages.backends.s3 import ClientError, Config, S3Storage
from storages.utils import clean_name

LONGEST_SIGNATURE = 7 * 24 * 3600  # seconds, of SigV4
_PRIVATE_DEFAULTS: dict[str, Any] = {
    # None of these comes from the host's AWS_* settings, which are often those of public media.
    "bucket_name": None,
    "location": "",
    "custom_domain": None,
    "cloudfront_key_id": None,
    "cloudfront_key": None,
    "default_acl": None,
    "object_parameters": {},
    "querystring_auth": True,
    "signature_version": "s3v4",
    "gzip": False,
    "max_memory_size": 5 * 2**20,
}
_OPEN_ACLS = ("public-read", "public-read-write", "authenticated-read")


class PrivateS3Storage(S3Storage):  # type: ignore[misc]  # django-storages is not typed
    """Objects that are read by their range, and never overwritten unless that is asked for."""

    def __init__(
        self,
        *,
        allow_overwrite: bool = False,
        connect_timeout: float = 5,
        read_timeout: float = 20,
        max_attempts: int = 3,
        **options: Any,
    ) -> None:
        """Take the options of django-storages' S3Storage and some of our own.

        Credentials, region and endpoint may stand in the ``AWS_*`` settings; the bucket may
        not, for that one is often public. A ``client_config`` wins over what is said here.

        Args:
            allow_overwrite: whether saving under a taken name replaces the object, unasked.
            connect_timeout: seconds.
            read_timeout: seconds without a byte.
            max_attempts: of each request, the first one included.
            options: ``bucket_name`` (required), ``location``, ``endpoint_url``, ...

        Raises:
            ImproperlyConfigured: for an option that would make objects or URLs public.

        """
        super().__init__(**{"file_overwrite": allow_overwrite, **options})
        self._refuse_what_is_public()
        config = Config(
            signature_version=self.signature_version,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            retries={"total_max_attempts": max_attempts, "mode": "standard"},
            # Some servers send the checksum of the whole with a range, where it cannot hold.
            response_checksum_validation="when_required",
        )
        self.client_config: Any = config.merge(self.client_config)
        # One for all threads, as botocore allows: under ASGI each request has a thread of its
        # own, and would pay for a new client.
        self._connections = SimpleNamespace()

    def get_default_settings(self) -> dict[str, Any]:
        """Answer with what holds where OPTIONS say nothing."""
        return {**super().get_default_settings(), **_PRIVATE_DEFAULTS}

    def open_range(self, name: str, start: int, stop: int) -> IO[bytes]:
        """Fetch the bytes from ``start`` up to, not including, ``stop`` by one ranged GET.

        Returns:
            A readable that gets them as they arrive; closing it ends the transfer.

        Raises:
            FileNotFoundError: without such an object.
            OSError: when the server answers with other bytes than those asked for.

        """
        if start == stop:
            self.size(name)
            return io.BytesIO()
        answer = self._get(name, Range=f"bytes={start}-{stop - 1}")
        if not answer.get("ContentRange", "").startswith(f"bytes {start}-"):
            answer["Body"].close()
            message = "The S3 server does not honour Range."
            raise OSError(message)
        return cast("IO[bytes]", Transfer(answer["Body"]))

    def url(self, name: str, *args: Any, **kwargs: Any) -> str:
        """Refuse: who may have a file is decided before ``signed_url`` is called."""
        message = f"{type(self).__name__} is private: its files have no URL."
        raise ValueError(message)

    def signed_url(
        self, name: str, *, expires_in: int, content_type: str, disposition: str, cache_control: str
    ) -> str:
        """Answer with a URL by which anyone may GET an object for a while; no request is made.

        Args:
            name: of the object.
            expires_in: seconds, 1 to 604800.
            content_type: the Content-Type that S3 is to answer with; likewise
            disposition: Content-Disposition, and
            cache_control: Cache-Control. Empty ones are left to the object.

        Raises:
            ValueError: for another life, or when what comes out is not signed.

        """
        if not 0 < expires_in <= LONGEST_SIGNATURE:
            message = f"A signature lives 1 to {LONGEST_SIGNATURE} seconds, not {expires_in}."
            raise ValueError(message)
        overrides = {
            "ResponseContentType": content_type,
            "ResponseContentDisposition": disposition,
            "ResponseCacheControl": cache_control,
        }
        parameters = {key: value for key, value in overrides.items() if value}
        url: str = super().url(name, parameters=parameters, expire=expires_in)
        if not parse_qs(urlsplit(url).query).get("X-Amz-Signature"):
            message = "The URL carries no X-Amz-Signature, so it is not given out."
            raise ValueError(message)
        return url

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        """Fetch the whole by one GET, checked if S3 has a checksum; what is large waits on disk."""
        if mode != "rb":
            message = f"Objects are opened for reading ('rb'), not {mode!r}; save() writes them."
            raise ValueError(message)
        with ExitStack() as until_failure:
            spooled = until_failure.enter_context(
                SpooledTemporaryFile(self.max_memory_size, dir=settings.FILE_UPLOAD_TEMP_DIR)
            )
            with closing(self._get(name, ChecksumMode="ENABLED")["Body"]) as body:
                shutil.copyfileobj(body, spooled)
            spooled.seek(0)
            until_failure.pop_all()
            return File(spooled, name)

    def _get(self, name: str, **parameters: str) -> dict[str, Any]:
        key = self._normalize_name(clean_name(name))
        client = self.connection.meta.client
        try:
            answer: dict[str, Any] = client.get_object(
                Bucket=self.bucket_name, Key=key, **parameters
            )
        except ClientError as error:
            if _says_no_such_object(error):
                message = f"No such object: {name}"
                raise FileNotFoundError(message) from error
            raise
        return answer

    def _normalize_name(self, name: str) -> str:
        """Refuse what leads out; with an empty location django-storages would fold it back in."""
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            message = f"Detected path traversal attempt in {name!r}"
            raise SuspiciousFileOperation(message)
        normalized: str = super()._normalize_name(name)
        return normalized

    def _refuse_what_is_public(self) -> None:
        acls = {self.default_acl, self.object_parameters.get("ACL")}
        refused = {
            "bucket_name is needed in OPTIONS": not self.bucket_name,
            "without querystring_auth URLs are not signed": not self.querystring_auth,
            "URLs of a custom_domain are not signed without a CloudFront key": self.custom_domain,
            "a range of bytes made with gzip is no range of the image": self.gzip,
            "the ACL opens objects to others": not acls.isdisjoint(_OPEN_ACLS),
        }
        for why, is_so in refused.items():
            if is_so:
                message = f"PrivateS3Storage: {why}."
                raise ImproperlyConfigured(message)


class Transfer:
    """The body of one answer, read as it arrives; no more than reading and closing.

    Of botocore's own, servers would believe that it can seek and has a file number.
    """

    def __init__(self, body: Any) -> None:
        self._body = body

    def read(self, size: int = -1) -> bytes:
        """Read up to ``size`` bytes; b"" at the end."""
        data: bytes = self._body.read(None if size < 0 else size)
        return data

    def close(self) -> None:
        """End the transfer: the connection is closed unless all has arrived."""
        self._body.close()


def _says_no_such_object(error: Any) -> bool:
    """Tell a missing object from a missing bucket, which is a mistake of the settings."""
    is_absent: bool = error.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.NOT_FOUND
    return is_absent and error.response["Error"].get("Code") != "NoSuchBucket"

"""PrivateS3Storage: an S3 bucket that nobody reads without a signature, range by range."""

from __future__ import annotations

import shutil
from contextlib import closing
from http import HTTPStatus
from types import SimpleNamespace
from typing import IO, Any, cast
from urllib.parse import parse_qs, urlsplit

from storages.backends.s3 import ClientError, Config, S3Storage

from images_app.storages.objects import MEMORY_SIZE, PrivateObjects, Transfer, check_life

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
    "max_memory_size": MEMORY_SIZE,
}
# The second: another is saving under the same name at this moment.
_TAKEN = (HTTPStatus.PRECONDITION_FAILED, HTTPStatus.CONFLICT)
_OPEN_ACLS = ("public-read", "public-read-write", "authenticated-read")


class PrivateS3Storage(PrivateObjects, S3Storage):  # type: ignore[misc]  # not typed
    """Objects that are read by their range, and never overwritten unless that is asked for."""

    def __init__(
        self,
        *,
        allow_overwrite: bool = False,
        conditional_puts: bool | None = None,
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
            conditional_puts: whether the server honours If-None-Match, so that nobody needs to
                ask whether a name is taken. AWS does. By default, other servers are asked and
                sent it; False is for those that refuse it.
            connect_timeout: seconds.
            read_timeout: seconds without a byte.
            max_attempts: of each request, the first one included.
            options: ``bucket_name`` (required), ``location``, ``endpoint_url``, ...

        Raises:
            ImproperlyConfigured: for an option that would make objects or URLs public.

        """
        super().__init__(**{**options, "file_overwrite": allow_overwrite})
        self._refuse_what_is_public()
        self._sends_condition = conditional_puts is not False and not allow_overwrite
        honours = not self.endpoint_url if conditional_puts is None else conditional_puts
        self._asks_first = not honours and not allow_overwrite
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
        check_life(expires_in)
        overrides = {
            "ResponseContentType": content_type,
            "ResponseContentDisposition": disposition,
            "ResponseCacheControl": cache_control,
        }
        parameters = {key: value for key, value in overrides.items() if value}
        url: str = S3Storage.url(self, name, parameters=parameters, expire=expires_in)
        if not parse_qs(urlsplit(url).query).get("X-Amz-Signature"):
            message = "The URL carries no X-Amz-Signature, so it is not given out."
            raise ValueError(message)
        return url

    def rename(self, name: str, new: str) -> None:
        """Give an object another name by a copy within the bucket, replacing what stands there."""
        key = self._key(name)
        source = {"Bucket": self.bucket_name, "Key": key}
        target = {"Bucket": self.bucket_name, "Key": self._key(new)}
        try:
            self._client.copy_object(CopySource=source, **target, **self.get_object_parameters(new))
        except ClientError as error:
            if _says_no_such_object(error):
                message = f"No such object: {key}"
                raise FileNotFoundError(message) from error
            raise
        self._client.delete_object(**source)

    def _put(self, key: str, body: Any, length: int) -> bool:
        """Store by one PUT, with a HEAD before it only where the server cannot be relied on."""
        if self._asks_first and self._is_taken(key):
            return False
        parameters = self._get_write_parameters(key)
        if self._sends_condition:
            parameters["IfNoneMatch"] = "*"
        try:
            self._client.put_object(Bucket=self.bucket_name, Key=key, Body=body, **parameters)
        except ClientError as error:
            if self._sends_condition and _status(error) in _TAKEN:
                return False
            raise
        return True

    def _is_taken(self, key: str) -> bool:
        try:
            self._client.head_object(Bucket=self.bucket_name, Key=key)
        except ClientError as error:
            if _says_no_such_object(error):
                return False
            raise
        return True

    def _fetch(self, key: str, start: int, stop: int) -> IO[bytes]:
        answer = self._get(key, Range=f"bytes={start}-{stop - 1}")
        if not answer.get("ContentRange", "").startswith(f"bytes {start}-"):
            answer["Body"].close()
            message = "The S3 server does not honour Range."
            raise OSError(message)
        return cast("IO[bytes]", Transfer(answer["Body"], answer["ContentRange"]))

    def _fetch_whole(self, key: str, target: IO[bytes]) -> None:
        with closing(self._get(key, ChecksumMode="ENABLED")["Body"]) as body:
            shutil.copyfileobj(body, target)

    def _get(self, key: str, **parameters: str) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = self._client.get_object(
                Bucket=self.bucket_name, Key=key, **parameters
            )
        except ClientError as error:
            if _says_no_such_object(error):
                message = f"No such object: {key}"
                raise FileNotFoundError(message) from error
            raise
        return answer

    @property
    def _client(self) -> Any:
        return self.connection.meta.client

    def _refuse_what_is_public(self) -> None:
        acls = {self.default_acl, self.object_parameters.get("ACL")}
        self._refuse(
            {
                "bucket_name is needed in OPTIONS": not self.bucket_name,
                "without querystring_auth URLs are not signed": not self.querystring_auth,
                "URLs of a custom_domain are not signed without a CloudFront key": (
                    self.custom_domain
                ),
                "a range of bytes made with gzip is no range of the image": self.gzip,
                "the ACL opens objects to others": not acls.isdisjoint(_OPEN_ACLS),
            }
        )


def _says_no_such_object(error: Any) -> bool:
    """Tell a missing object from a missing bucket, which is a mistake of the settings."""
    is_absent = _status(error) == HTTPStatus.NOT_FOUND
    return is_absent and error.response["Error"].get("Code") != "NoSuchBucket"


def _status(error: Any) -> int:
    status: int = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status

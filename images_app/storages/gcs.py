"""PrivateGoogleCloudStorage: a bucket of Google Cloud that is read range by range."""

from __future__ import annotations

import datetime as dt
from http import HTTPStatus
from typing import IO, Any, cast
from urllib.parse import parse_qs, quote, urlsplit

from google.api_core import exceptions
from google.api_core.exceptions import NotFound, PreconditionFailed
from google.cloud.storage import Client
from google.cloud.storage.retry import DEFAULT_RETRY
from storages.backends.gcloud import GoogleCloudStorage

from images_app.storages.objects import MEMORY_SIZE, PrivateObjects, Transfer, check_life

_PRIVATE_DEFAULTS: dict[str, Any] = {
    # None of these comes from the host's GS_* settings, which are often those of public media.
    "bucket_name": None,
    "location": "",
    "custom_endpoint": None,
    "default_acl": None,
    "object_parameters": {},
    "querystring_auth": True,
    "gzip": False,
    "max_memory_size": MEMORY_SIZE,
}
_OPEN_ACLS = ("publicRead", "publicReadWrite", "authenticatedRead", "allUsers")


class PrivateGoogleCloudStorage(PrivateObjects, GoogleCloudStorage):  # type: ignore[misc]
    """Objects that are read by their range, and never overwritten unless that is asked for."""

    def __init__(
        self,
        *,
        allow_overwrite: bool = False,
        connect_timeout: float = 5,
        read_timeout: float = 20,
        retry_timeout: float = 30,
        endpoint_url: str | None = None,
        **options: Any,
    ) -> None:
        """Take the options of django-storages' GoogleCloudStorage and some of our own.

        Project and credentials may stand in the ``GS_*`` settings or the environment; the
        bucket may not, for that one is often public.

        Args:
            allow_overwrite: whether saving under a taken name replaces the object, unasked.
            connect_timeout: seconds.
            read_timeout: seconds without a byte.
            retry_timeout: seconds after the first attempt of a request that no other follows.
            endpoint_url: of the API, without a slash at its end; Google's own without.
            options: ``bucket_name`` (required), ``location``, ``project_id``, ...

        Raises:
            ImproperlyConfigured: for an option that would make objects or URLs public.

        """
        self._client: Any = None
        super().__init__(**{**options, "file_overwrite": allow_overwrite})
        self._refuse_what_is_public()
        self._endpoint_url = endpoint_url
        self._condition = {} if allow_overwrite else {"if_generation_match": 0}
        self._retry = DEFAULT_RETRY.with_timeout(retry_timeout)
        self._bounds = {"timeout": (connect_timeout, read_timeout), "retry": self._retry}

    def get_default_settings(self) -> dict[str, Any]:
        """Answer with what holds where OPTIONS say nothing."""
        return {**super().get_default_settings(), **_PRIVATE_DEFAULTS}

    @property
    def client(self) -> Any:
        """Google's client, one for all threads."""
        if self._client is None and self._endpoint_url:
            self._client = Client(
                project=self.project_id,
                credentials=self.credentials,
                client_options={"api_endpoint": self._endpoint_url},
            )
        client: Any = super().client
        # Or it would ask, in a thread of its own, for what only tracing wants to know.
        client._bucket_metadata_cache = None  # noqa: SLF001
        return client

    def exists(self, name: str) -> bool:
        """Tell whether there is such an object, by one request."""
        try:
            self.size(name)
        except FileNotFoundError:
            return False
        return True

    def size(self, name: str) -> int:
        """Answer with the bytes of an object; FileNotFoundError without it."""
        return cast("int", self._get_blob(self._key(name)).size)

    def delete(self, name: str) -> None:
        """Delete an object, if there is one."""
        try:
            self._blob(self._key(name)).delete(**self._bounds)
        except NotFound as error:
            if not _says_no_such_object(error):
                raise

    def rename(self, name: str, new: str) -> None:
        """Give an object another name by a copy within the bucket, replacing what stands there."""
        blob = self._blob(self._key(name))
        try:
            self.bucket.copy_blob(blob, self.bucket, self._key(new), **self._bounds)
        except NotFound as error:
            _raise_if_absent(error, blob.name)
            raise
        blob.delete(**self._bounds)

    def listdir(self, name: str) -> tuple[list[str], list[str]]:
        """Answer with the folders and the objects right below a folder."""
        key = self._key(name).rstrip("/")
        prefix = f"{key}/" if key else ""
        pages = self.client.list_blobs(self.bucket, prefix=prefix, delimiter="/", **self._bounds)
        files = [blob.name.removeprefix(prefix) for blob in pages if blob.name != prefix]
        return sorted(each.removeprefix(prefix).rstrip("/") for each in pages.prefixes), files

    def signed_url(
        self, name: str, *, expires_in: int, content_type: str, disposition: str, cache_control: str
    ) -> str:
        """Answer with a URL by which anyone may GET an object for a while.

        No request is made, unless ``iam_sign_blob`` has Google sign.

        Args:
            name: of the object.
            expires_in: seconds, 1 to 604800.
            content_type: the Content-Type that Google is to answer with; likewise
            disposition: Content-Disposition. Empty ones are left to the object.
            cache_control: not to be had by a URL; Google sends ``private, max-age=0``.

        Raises:
            ValueError: for another life, or when what comes out is not signed.

        """
        check_life(expires_in)
        wanted = {"response_type": content_type, "response_disposition": disposition}
        parameters: dict[str, Any] = {key: value for key, value in wanted.items() if value}
        parameters["expiration"] = dt.timedelta(seconds=expires_in)
        url: str = GoogleCloudStorage.url(self, name, parameters=parameters)
        if not parse_qs(urlsplit(url).query).get("X-Goog-Signature"):
            message = "The URL carries no X-Goog-Signature, so it is not given out."
            raise ValueError(message)
        return url

    def _put(self, key: str, body: Any, length: int) -> bool:
        """Store by one request, which Google refuses where an object stands; larger ones by two."""
        blob = self._blob(key)
        parameters = {**self.object_parameters}
        acl = parameters.pop("acl", self.default_acl)
        content_type = parameters.pop("content_type", None)
        for name, value in parameters.items():
            setattr(blob, name, value)
        try:
            blob.upload_from_file(
                body,
                size=length,
                content_type=content_type,
                predefined_acl=acl,
                checksum="crc32c",
                **self._condition,
                **self._bounds,
            )
        except PreconditionFailed:
            return False
        return True

    def _fetch(self, key: str, start: int, stop: int) -> IO[bytes]:
        response = self._retry(self._get)(key, start, stop)
        if not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            response.close()
            message = "The server of the bucket does not honour Range."
            raise OSError(message)
        return cast("IO[bytes]", Transfer(response.raw, response.headers["Content-Range"]))

    def _get(self, key: str, start: int, stop: int) -> Any:
        """Send the request ourselves: the library would fetch the whole range before we see it."""
        names = f"b/{quote(self.bucket_name, safe='')}/o/{quote(key, safe='')}"
        response = self.client._http.get(  # noqa: SLF001 (its session has the credentials)
            f"{self.client.api_endpoint}/download/storage/v1/{names}?alt=media",
            headers={"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"},
            stream=True,
            timeout=self._bounds["timeout"],
        )
        if response.status_code < HTTPStatus.BAD_REQUEST:
            return response
        with response:
            error: Exception = _error_of(response)
        _raise_if_absent(error, key)
        raise error

    def _fetch_whole(self, key: str, target: IO[bytes]) -> None:
        try:
            self._blob(key).download_to_file(
                target, raw_download=True, checksum="crc32c", **self._bounds
            )
        except NotFound as error:
            _raise_if_absent(error, key)
            raise

    def _blob(self, key: str) -> Any:
        return self.bucket.blob(key, chunk_size=self.blob_chunk_size)

    def _get_blob(self, key: str) -> Any:
        """Ask for the metadata of an object, by one request."""
        blob = self._blob(key)
        try:
            blob.reload(**self._bounds)
        except NotFound as error:
            _raise_if_absent(error, key)
            raise
        return blob

    def _refuse_what_is_public(self) -> None:
        acls = {self.default_acl, self.object_parameters.get("acl")}
        self._refuse(
            {
                "bucket_name is needed in OPTIONS": not self.bucket_name,
                "without querystring_auth URLs are not signed": not self.querystring_auth,
                "a range of bytes made with gzip is no range of the image": self.gzip,
                "the ACL opens objects to others": not acls.isdisjoint(_OPEN_ACLS),
            }
        )


_error_of: Any = exceptions.from_http_response  # not typed


def _raise_if_absent(error: Exception, key: str) -> None:
    if _says_no_such_object(error):
        message = f"No such object: {key}"
        raise FileNotFoundError(message) from error


def _says_no_such_object(error: Exception) -> bool:
    """Tell a missing object from a missing bucket, which is a mistake of the settings."""
    return isinstance(error, NotFound) and "bucket does not exist" not in str(error)

"""PrivateAzureStorage: a container of Azure Blob Storage that is read range by range."""

from __future__ import annotations

import datetime as dt
import mimetypes
from typing import IO, Any, cast

from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import (
    BlobSasPermissions,
    BlobServiceClient,
    ContentSettings,
    ExponentialRetry,
    StorageErrorCode,
    generate_blob_sas,
)
from storages.backends.azure_storage import AzureStorage

from images_app.storages.objects import MEMORY_SIZE, PrivateObjects, Transfer, check_life

PIECE = 4 * 2**20  # bytes that one request fetches, and one reader holds in memory
_PRIVATE_DEFAULTS: dict[str, Any] = {
    # None of these comes from the host's AZURE_* settings, which are often those of public media.
    "azure_container": None,
    "location": "",
    "custom_domain": None,
    "object_parameters": {},
    "cache_control": None,
    "azure_ssl": True,
    "max_memory_size": MEMORY_SIZE,
}


class PrivateAzureStorage(PrivateObjects, AzureStorage):  # type: ignore[misc]
    """Blobs that are read by their range, and never overwritten unless that is asked for."""

    def __init__(
        self,
        *,
        allow_overwrite: bool = False,
        connect_timeout: float = 5,
        read_timeout: float = 20,
        max_attempts: int = 3,
        **options: Any,
    ) -> None:
        """Take the options of django-storages' AzureStorage and some of our own.

        Account and credentials may stand in the ``AZURE_*`` settings; the container may not,
        for that one is often public. ``client_options`` win over what is said here.

        Args:
            allow_overwrite: whether saving under a taken name replaces the blob, unasked.
            connect_timeout: seconds.
            read_timeout: seconds without a byte.
            max_attempts: of each request, the first one included.
            options: ``azure_container`` (required), ``account_name``, ``location``, ...

        Raises:
            ImproperlyConfigured: for an option that would make blobs or URLs public.

        """
        self.client_options: dict[str, Any]
        super().__init__(**{**options, "overwrite_files": allow_overwrite})
        self._refuse(
            {
                "azure_container is needed in OPTIONS": not self.azure_container,
                "without azure_ssl bytes and signatures can be read on their way": (
                    not self.azure_ssl
                ),
            }
        )
        self._overwrites = allow_overwrite
        self._client_options = {
            "connection_timeout": connect_timeout,
            "read_timeout": read_timeout,
            # Azure's own default waits 15 seconds before it tries once more.
            "retry_policy": ExponentialRetry(
                initial_backoff=1,
                increment_base=2,
                random_jitter_range=1,
                retry_total=max_attempts - 1,
            ),
            "max_single_get_size": PIECE,
            "max_chunk_get_size": PIECE,
            **self.client_options,
        }

    def get_default_settings(self) -> dict[str, Any]:
        """Answer with what holds where OPTIONS say nothing."""
        return {**super().get_default_settings(), **_PRIVATE_DEFAULTS}

    def exists(self, name: str) -> bool:
        """Tell whether there is such a blob, by one request."""
        try:
            self.size(name)
        except FileNotFoundError:
            return False
        return True

    def size(self, name: str) -> int:
        """Answer with the bytes of a blob; FileNotFoundError without it."""
        key = self._key(name)
        try:
            properties = self.client.get_blob_client(key).get_blob_properties()
        except ResourceNotFoundError as error:
            _raise_if_absent(error, key)
            raise
        return cast("int", properties.size)

    def delete(self, name: str) -> None:
        """Delete a blob, if there is one."""
        try:
            self.client.delete_blob(self._key(name))
        except ResourceNotFoundError as error:
            if not _says_no_such_blob(error):
                raise

    def listdir(self, path: str = "") -> tuple[list[str], list[str]]:
        """Answer with the folders and the blobs right below a folder."""
        key = self._key(path).rstrip("/") if path else self.location.strip("/")
        prefix = f"{key}/" if key else ""
        folders: list[str] = []
        files: list[str] = []
        for found in self.client.walk_blobs(name_starts_with=prefix, delimiter="/"):
            name = found.name.removeprefix(prefix)
            (folders if name.endswith("/") else files).append(name.rstrip("/"))
        return folders, files

    def signed_url(
        self, name: str, *, expires_in: int, content_type: str, disposition: str, cache_control: str
    ) -> str:
        """Answer with a URL by which anyone may GET a blob for a while.

        No request is made, but one a week for the key that signs for a ``token_credential``.

        Args:
            name: of the blob.
            expires_in: seconds, 1 to 604800.
            content_type: the Content-Type that Azure is to answer with; likewise
            disposition: Content-Disposition, and
            cache_control: Cache-Control. Empty ones are left to the blob.

        Raises:
            ValueError: for another life, or when there is nothing to sign with.

        """
        check_life(expires_in)
        key = self._key(name)
        signature = self._sign(
            key,
            expires_in,
            content_type=content_type or None,
            content_disposition=disposition or None,
            cache_control=cache_control or None,
        )
        # From a client without credentials: a SAS of the settings' own never leaves in a URL.
        address = self.client.get_blob_client(key).url.partition("?")[0]
        return f"{address}?{signature}"

    def _sign(self, key: str, expires_in: int, **answer: Any) -> str:
        expiry = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=expires_in)
        delegated = self._delegated_key(expiry) if not self.account_key else None
        if not self.account_key and delegated is None:
            message = "Without account_key or token_credential no URL can be signed."
            raise ValueError(message)
        signature: str = generate_blob_sas(
            self.account_name,
            self.azure_container,
            key,
            account_key=self.account_key,
            user_delegation_key=delegated,
            permission=BlobSasPermissions(read=True),
            expiry=expiry,
            **answer,
        )
        return signature

    def _delegated_key(self, expiry: dt.datetime) -> Any:
        return self.get_user_delegation_key(expiry.replace(tzinfo=None))

    def _get_service_client(self) -> Any:
        """Make the client with our bounds, which django-storages leaves out for some accounts."""
        if self.connection_string:
            return BlobServiceClient.from_connection_string(
                self.connection_string, **self._client_options
            )
        self.client_options = self._client_options
        return super()._get_service_client()

    def _put(self, key: str, body: Any, length: int) -> bool:
        """Store by one request, which Azure refuses where a blob stands."""
        settings = {
            "content_type": mimetypes.guess_type(key)[0] or self.default_content_type,
            "cache_control": self.cache_control,
            **self.object_parameters,
        }
        try:
            self.client.upload_blob(
                key,
                body,
                length=length,
                overwrite=self._overwrites,
                content_settings=ContentSettings(**settings),
            )
        except (ResourceExistsError, ResourceModifiedError) as error:
            if getattr(error, "error_code", None) in _TAKEN:
                return False
            raise
        return True

    def _fetch(self, key: str, start: int, stop: int) -> IO[bytes]:
        return cast("IO[bytes]", Transfer(_Download(self._download(key, start, stop - start))))

    def _fetch_whole(self, key: str, target: IO[bytes]) -> None:
        self._download(key).readinto(target)

    def _download(self, key: str, start: int | None = None, length: int | None = None) -> Any:
        """Ask for the first piece; the others are fetched as one reads, from the same bytes."""
        blob = self.client.get_blob_client(key)
        try:
            return blob.download_blob(offset=start, length=length, max_concurrency=1)
        except ResourceNotFoundError as error:
            _raise_if_absent(error, key)
            raise


class _Download:
    """A download whose pieces come one by one; between them nothing is open."""

    def __init__(self, downloader: Any) -> None:
        self._downloader = downloader

    def read(self, size: int | None) -> bytes:
        data: bytes = self._downloader.read(-1 if size is None else size)
        return data

    def close(self) -> None:
        """Nothing to end."""


_TAKEN = (StorageErrorCode.BLOB_ALREADY_EXISTS, StorageErrorCode.CONDITION_NOT_MET)


def _raise_if_absent(error: Any, key: str) -> None:
    if _says_no_such_blob(error):
        message = f"No such blob: {key}"
        raise FileNotFoundError(message) from error


def _says_no_such_blob(error: Any) -> bool:
    """Tell a missing blob from a missing container, which is a mistake of the settings."""
    return bool(error.error_code == StorageErrorCode.BLOB_NOT_FOUND)

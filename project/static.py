"""Static files with a hash in their names, those that scripts import by name included."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # not typed
    """WhiteNoise's, for the app's scripts are modules."""

    support_js_module_import_aggregation = True

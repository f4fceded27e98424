"""Static files that browsers keep: an address that names the content never changes its content."""

import os
from typing import TypeAlias

from fastapi.staticfiles import StaticFiles
from starlette.responses import Response
from starlette.types import Scope

_Path: TypeAlias = str | os.PathLike[str]


class PageFiles(StaticFiles):
    """Serves styles, script and icons; with the content's hash in the query they may be kept for good."""

    def file_response(
        self, full_path: _Path, stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        named = scope.get("query_string", b"").startswith(b"v=")
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if named else "no-cache"
        return response

"""
The response schemas, by path and status, that E2B documents for the two calls of the check.

After spec/openapi.yml of github.com/e2b-dev/E2B (Apache-2.0), OpenAPI 3.0, as JSON Schema; only what our replies hold.
"""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

ERROR: Schema = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {"code": {"type": "integer"}, "message": {"type": "string"}, "error_code": {"type": "string"}},
}
TEMPLATE_ALIAS: Schema = {
    "type": "object",
    "required": ["templateID", "public"],
    "properties": {"templateID": {"type": "string"}, "public": {"type": "boolean"}},
}
SANDBOXES: Schema = {
    "type": "array",
    "items": {"required": ["templateID", "sandboxID", "clientID", "startedAt", "cpuCount", "memoryMB", "state"]},
}
REPLIES: Mapping[str, Mapping[int, Schema]] = {
    "/templates/aliases/": {200: TEMPLATE_ALIAS} | dict.fromkeys((400, 401, 403, 404, 429, 500), ERROR),
    "/v2/sandboxes": {200: SANDBOXES} | dict.fromkeys((400, 401, 403, 429, 500), ERROR),
}

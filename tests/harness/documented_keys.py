"""Mistle's documentation of its keys. It shares nothing with this program's schema, which is compared with it."""

from typing import NamedTuple

from tests.harness.descriptors import DESCRIPTORS

# key | type; of a URL, its first scheme | required | secret | variable, if it does not follow from the path | default
DOCUMENTED = """
global.env | development or production | yes | | MISTLE_ENV
telemetry.enabled | bool | yes
telemetry.debug | bool | yes
telemetry.resource_attributes | str | no
telemetry.traces.endpoint | http:// | maybe
telemetry.logs.endpoint | http:// | maybe
telemetry.metrics.endpoint | http:// | maybe
services.dashboard.public_url | http:// | yes
services.dashboard.control_plane_api_origin | http:// | yes
services.control_plane_api.host | str | yes
services.control_plane_api.port | int 1-65535 | yes
services.control_plane_api.internal_url | http:// | yes
services.control_plane_api.public_url | http:// | yes
services.control_plane_api.auth.secret | str | yes | chosen
services.control_plane_api.auth.trusted_origins | list of str | yes
services.control_plane_api.auth.enabled_methods | list of otp or google | no
services.control_plane_api.auth.allow_signups | bool | no | | | True
services.control_plane_api.auth.otp.length | int 4-12 | yes
services.control_plane_api.auth.otp.expires_in_seconds | int 30- | yes
services.control_plane_api.auth.otp.allowed_attempts | int 1-10 | yes
services.control_plane_api.auth.google.client_id | str | maybe
services.control_plane_api.auth.google.client_secret | str | maybe | issued
services.control_plane_api.integrations.active_master_encryption_key_version | int 1- | yes
services.control_plane_api.integrations.master_encryption_keys.<version> | versioned | yes | chosen | MISTLE_SERVICES_CONTROL_PLANE_API_INTEGRATIONS_MASTER_ENCRYPTION_KEYS_JSON
services.data_plane_api.host | str | yes
services.data_plane_api.port | int 1-65535 | yes
services.data_plane_api.internal_url | http:// | yes
services.data_plane_gateway.host | str | yes
services.data_plane_gateway.port | int 1-65535 | yes
services.data_plane_gateway.internal_url | http:// | yes
services.data_plane_gateway.sandbox_ws_public_url | ws:// | yes
services.data_plane_gateway.sandbox_ws_internal_url | ws:// | yes
services.control_plane_worker.workflow_concurrency | int 1- | yes
services.data_plane_worker.workflow_concurrency | int 1- | yes
workflow.control_plane.namespace_id | str | yes
workflow.data_plane.namespace_id | str | yes
postgres.control_plane.direct_url | postgres:// | yes | issued
postgres.control_plane.pooled_url | postgres:// | yes | issued
postgres.data_plane.direct_url | postgres:// | yes | issued
postgres.data_plane.pooled_url | postgres:// | yes | issued
kv.control_plane.backend | valkey | maybe
kv.control_plane.url | redis:// | maybe | issued
kv.control_plane.key_prefix | str | maybe
kv.data_plane.backend | valkey | yes
kv.data_plane.url | redis:// | yes | issued
kv.data_plane.key_prefix | str | yes
object_store.assets.bucket_name | str | yes
object_store.assets.region | str | yes
object_store.assets.endpoint | http:// | no
object_store.assets.force_path_style | bool | no | | | False
object_store.assets.access_key_id | str | yes
object_store.assets.secret_access_key | str | yes | issued
object_store.sandbox_storage.bucket_name | str | maybe
object_store.sandbox_storage.region | str | no
object_store.sandbox_storage.endpoint | http:// | maybe
object_store.sandbox_storage.force_path_style | bool | no | | | False
object_store.sandbox_storage.access_key_id | str | maybe
object_store.sandbox_storage.secret_access_key | str | maybe | issued
email.smtp.from_address | str | yes
email.smtp.from_name | str | yes
email.smtp.host | str | yes
email.smtp.port | int 1-65535 | yes
email.smtp.secure | bool | yes
email.smtp.username | str | yes
email.smtp.password | str | yes | issued
internal_auth.method | shared_token | no
internal_auth.shared_token.token | str | yes | chosen | MISTLE_INTERNAL_AUTH_SHARED_TOKEN
sandbox.provider | docker or e2b | yes
sandbox.default_base_image | str | yes
sandbox.publish_base_domain | str | yes
sandbox.storage.backend | archil or docker_volume | yes
sandbox.storage.archil.api_key | str | maybe | issued
sandbox.storage.archil.region | str | maybe
sandbox.storage.archil.name_prefix | str | no
sandbox.storage.archil.mount_object_store | sandbox_storage | no
sandbox.storage.docker_volume.name_prefix | str | maybe
sandbox.tokens.connect.secret | str | yes | chosen
sandbox.tokens.connect.issuer | str | yes
sandbox.tokens.connect.audience | str | yes
sandbox.tokens.bootstrap.secret | str | yes | chosen
sandbox.tokens.bootstrap.issuer | str | yes
sandbox.tokens.bootstrap.audience | str | yes
sandbox.publish.access_token.secret | str | yes | chosen
sandbox.publish.access_token.issuer | str | yes
sandbox.publish.access_token.audience | str | yes
sandbox.publish.session.cookie_signing_secret | str | yes | chosen
sandbox.docker.socket_path | str | maybe
sandbox.docker.network_name | str | no
sandbox.e2b.api_key | str | maybe | issued
sandbox.e2b.domain | str | no | | | e2b.app
sandbox.e2b.cpu_count | int 1- | no | | | 2
sandbox.e2b.memory_mb | int 1- | no | | | 4096
sandbox.sandboxd_test_faults_enabled | bool | no | | MISTLE_TEST_SANDBOXD_TEST_FAULTS_ENABLED
"""  # noqa: E501


class Documented(NamedTuple):
    """A row. ``required`` is "yes", "no" or, on a condition, "maybe"; ``secrecy`` is "issued", "chosen" or blank."""

    path: str
    type: str
    required: str
    secrecy: str
    variable: str
    default: str


def _row(line: str) -> Documented:
    path, type_, required, secrecy, variable, default = [*(cell.strip() for cell in line.split("|")), "", "", ""][:6]
    return Documented(path, type_, required, secrecy, variable or f"MISTLE_{path.upper().replace('.', '_')}", default)


def _rows(lines: str) -> list[Documented]:
    return [_row(line) for line in lines.strip().splitlines()]


ROWS = _rows(DOCUMENTED)
OF_KINDS = [row for kind in DESCRIPTORS.values() for row in _rows(kind.documented_keys)]

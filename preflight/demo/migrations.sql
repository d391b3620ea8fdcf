-- The part of the result of Mistle's migrations that a preflight reads. You may run it again.
CREATE SCHEMA IF NOT EXISTS control_plane;
CREATE TABLE IF NOT EXISTS control_plane.organizations (id bigint PRIMARY KEY);
CREATE TABLE IF NOT EXISTS control_plane.organization_credential_keys (master_key_version bigint, ciphertext text);
CREATE SCHEMA IF NOT EXISTS control_plane_meta;
CREATE TABLE IF NOT EXISTS control_plane_meta.schema_migrations (id bigint, hash text, created_at timestamptz);
CREATE SCHEMA IF NOT EXISTS control_plane_openworkflow;
CREATE TABLE IF NOT EXISTS control_plane_openworkflow.openworkflow_migrations (version bigint);
CREATE TABLE IF NOT EXISTS control_plane_openworkflow.workflow_runs (id text PRIMARY KEY);
CREATE TABLE IF NOT EXISTS control_plane_openworkflow.step_attempts (id text PRIMARY KEY);
INSERT INTO control_plane_meta.schema_migrations SELECT 1, 'demo', now()
WHERE NOT EXISTS (SELECT FROM control_plane_meta.schema_migrations);
INSERT INTO control_plane_openworkflow.openworkflow_migrations SELECT generate_series(0, 4)
WHERE NOT EXISTS (SELECT FROM control_plane_openworkflow.openworkflow_migrations);

CREATE SCHEMA IF NOT EXISTS data_plane;
CREATE TABLE IF NOT EXISTS data_plane.sandbox_instances (id text PRIMARY KEY);
CREATE SCHEMA IF NOT EXISTS data_plane_meta;
CREATE TABLE IF NOT EXISTS data_plane_meta.schema_migrations (id bigint, hash text, created_at timestamptz);
CREATE SCHEMA IF NOT EXISTS data_plane_openworkflow;
CREATE TABLE IF NOT EXISTS data_plane_openworkflow.openworkflow_migrations (version bigint);
CREATE TABLE IF NOT EXISTS data_plane_openworkflow.workflow_runs (id text PRIMARY KEY);
CREATE TABLE IF NOT EXISTS data_plane_openworkflow.step_attempts (id text PRIMARY KEY);
INSERT INTO data_plane_meta.schema_migrations SELECT 1, 'demo', now()
WHERE NOT EXISTS (SELECT FROM data_plane_meta.schema_migrations);
INSERT INTO data_plane_openworkflow.openworkflow_migrations SELECT generate_series(0, 4)
WHERE NOT EXISTS (SELECT FROM data_plane_openworkflow.openworkflow_migrations);

-- Encrypted with version 1 of the master key in examples/mistle.toml.
INSERT INTO control_plane.organization_credential_keys
SELECT 1, 'v1.8KBf80W87sHqXip6._9LoTcxET6RHKmeUkA9ijj5qoP_f.bscakTWtvZwchr9qDV2NFw'
WHERE NOT EXISTS (SELECT FROM control_plane.organization_credential_keys);

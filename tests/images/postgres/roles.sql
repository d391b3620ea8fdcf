ALTER ROLE postgres PASSWORD 'postgres-superuser';
CREATE ROLE mistle LOGIN PASSWORD 'mistle-local-postgres';
CREATE DATABASE mistle OWNER mistle;

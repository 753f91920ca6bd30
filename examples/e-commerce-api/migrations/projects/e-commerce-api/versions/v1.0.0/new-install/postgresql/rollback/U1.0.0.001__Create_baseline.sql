-- Takes back V1.0.0.001__Create_baseline.sql.
DROP TABLE IF EXISTS users;
DROP TABLE IF EXISTS project_metadata;
DROP SCHEMA IF EXISTS reporting;
DROP SCHEMA IF EXISTS audit;

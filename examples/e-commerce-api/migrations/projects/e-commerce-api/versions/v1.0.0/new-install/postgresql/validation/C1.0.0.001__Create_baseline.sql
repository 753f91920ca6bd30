-- Queries that must return no row once V1.0.0.001__Create_baseline.sql has run.
SELECT name FROM (VALUES ('users'), ('project_metadata')) AS needed (name) WHERE to_regclass(name) IS NULL;

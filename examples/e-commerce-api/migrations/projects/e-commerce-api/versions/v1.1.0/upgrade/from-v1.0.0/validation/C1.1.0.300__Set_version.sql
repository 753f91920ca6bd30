-- Queries that must return no row once V1.1.0.300__Set_version.sql has run.
SELECT project_version FROM project_metadata WHERE project_name = 'e-commerce-api' AND project_version <> 'v1.1.0';

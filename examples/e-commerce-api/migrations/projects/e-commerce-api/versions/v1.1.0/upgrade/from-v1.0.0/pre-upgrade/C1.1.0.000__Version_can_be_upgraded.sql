-- Queries that must return no row before the upgrade begins.
SELECT 'cannot upgrade from ' || project_version || ' to v1.1.0' FROM project_metadata
WHERE project_name = 'e-commerce-api' AND project_version NOT IN ('v1.0.0', 'v1.1.0');

-- Queries that must return no row once V1.0.0.100__Set_version.sql has run.
SELECT 'e-commerce-api has no version' WHERE NOT EXISTS
    (SELECT FROM project_metadata WHERE project_name = 'e-commerce-api');

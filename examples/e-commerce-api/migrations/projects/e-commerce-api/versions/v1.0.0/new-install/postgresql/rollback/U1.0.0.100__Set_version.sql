-- Takes back V1.0.0.100__Set_version.sql.
DELETE FROM project_metadata WHERE project_name = 'e-commerce-api';

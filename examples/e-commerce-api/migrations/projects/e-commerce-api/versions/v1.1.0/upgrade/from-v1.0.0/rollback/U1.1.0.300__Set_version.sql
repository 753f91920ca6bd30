-- Takes back V1.1.0.300__Set_version.sql.
UPDATE project_metadata
SET project_version = 'v1.0.0', updated_at = CURRENT_TIMESTAMP
WHERE project_name = 'e-commerce-api';

-- Description: Say which version the database has
UPDATE project_metadata
SET project_version = 'v1.1.0', updated_at = CURRENT_TIMESTAMP
WHERE project_name = 'e-commerce-api';

-- Description: Say which version the database has
INSERT INTO project_metadata (project_name, project_version)
VALUES ('e-commerce-api', 'v1.0.0')
ON CONFLICT (project_name) DO UPDATE
SET project_version = EXCLUDED.project_version, updated_at = CURRENT_TIMESTAMP;

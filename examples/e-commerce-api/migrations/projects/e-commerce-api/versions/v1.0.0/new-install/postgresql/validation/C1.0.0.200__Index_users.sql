-- Queries that must return no row once V1.0.0.200__Index_users.sql has run.
SELECT 'idx_users_created_at is missing' WHERE to_regclass('idx_users_created_at') IS NULL;

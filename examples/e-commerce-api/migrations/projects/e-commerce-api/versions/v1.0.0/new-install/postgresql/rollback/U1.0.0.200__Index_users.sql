-- Takes back V1.0.0.200__Index_users.sql.
DROP INDEX IF EXISTS idx_users_created_at;

-- Description: Find the newest users without reading all of them
CREATE INDEX IF NOT EXISTS idx_users_created_at ON users (created_at);

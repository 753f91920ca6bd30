SET lock_timeout = '1s';
SET search_path TO app, public;
ALTER TABLE orders ADD COLUMN place text;

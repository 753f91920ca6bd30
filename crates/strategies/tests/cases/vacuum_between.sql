ALTER TABLE orders ADD COLUMN place text;
VACUUM orders;
ALTER TABLE orders ADD COLUMN street text;

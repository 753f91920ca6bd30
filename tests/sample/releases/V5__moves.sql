ALTER TABLE orders ALTER COLUMN state DROP NOT NULL;
ALTER TABLE orders ALTER COLUMN state SET DEFAULT 'open';
CREATE UNIQUE INDEX totals_user ON totals (user_id);

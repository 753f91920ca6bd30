-- case: rewrites
ALTER TABLE customers ALTER COLUMN id TYPE integer;

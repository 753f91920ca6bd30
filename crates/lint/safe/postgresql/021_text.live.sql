ALTER TABLE customers ALTER COLUMN city TYPE text;

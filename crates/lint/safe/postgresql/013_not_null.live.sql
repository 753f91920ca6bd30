-- The valid check proves it: nothing is read.
ALTER TABLE orders ALTER COLUMN note SET NOT NULL;

CREATE TABLE regions (id bigint PRIMARY KEY, name text NOT NULL);
INSERT INTO regions VALUES (1, 'north'), (2, 'south');
ALTER TABLE regions ADD COLUMN code text;
UPDATE regions SET code = left(name, 1);
ALTER TABLE regions ALTER COLUMN code SET NOT NULL;
CREATE INDEX regions_code ON regions (code);

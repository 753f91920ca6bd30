BEGIN;
CREATE TABLE notes (id bigint PRIMARY KEY);
ALTER TABLE customers ADD COLUMN note text;
COMMIT;

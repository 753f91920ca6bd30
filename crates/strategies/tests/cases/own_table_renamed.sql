CREATE TABLE notes (id bigint);
ALTER TABLE notes RENAME TO remarks;
ALTER TABLE remarks ADD COLUMN text text;

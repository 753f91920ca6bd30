CREATE TABLE notes (id bigint PRIMARY KEY, text text);
CREATE INDEX notes_text_idx ON notes (text);
ALTER TABLE notes ALTER COLUMN text SET NOT NULL;
INSERT INTO notes VALUES (1, 'first');

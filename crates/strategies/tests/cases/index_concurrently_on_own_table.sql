CREATE TABLE notes (id bigint PRIMARY KEY, text text);
CREATE INDEX CONCURRENTLY notes_text_idx ON notes (text);

-- case: created notes
CREATE INDEX notes_text_idx ON notes (text);

DROP INDEX orders_note_idx;
ALTER TABLE orders ADD COLUMN place text;

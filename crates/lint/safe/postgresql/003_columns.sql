ALTER TABLE orders ADD COLUMN note text, ADD COLUMN weight numeric(8,2), ADD COLUMN priority smallint NOT NULL DEFAULT 0;

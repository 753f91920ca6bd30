-- On a table that is in use: an index and two constraints, each of which would block as it is written.
CREATE INDEX orders_status_idx ON orders (status);
ALTER TABLE orders ADD CONSTRAINT orders_status_known CHECK (status IN ('new', 'paid', 'sent'));
ALTER TABLE orders ALTER COLUMN status SET NOT NULL;

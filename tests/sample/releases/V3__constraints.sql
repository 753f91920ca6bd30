ALTER TABLE orders
    ADD COLUMN note text,
    ADD CONSTRAINT orders_total_check CHECK (total >= 0),
    ADD FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE,
    ALTER COLUMN state SET NOT NULL;
CREATE INDEX ON orders (user_id);
ALTER TABLE users ADD COLUMN plan text NOT NULL DEFAULT 'free' CHECK (plan <> '');

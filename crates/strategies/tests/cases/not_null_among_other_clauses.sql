ALTER TABLE orders
    ADD COLUMN place text,
    ALTER COLUMN note SET NOT NULL,
    ALTER COLUMN legacy SET DEFAULT 'x';

ALTER TABLE orders ADD COLUMN seen_at timestamptz NOT NULL DEFAULT now();

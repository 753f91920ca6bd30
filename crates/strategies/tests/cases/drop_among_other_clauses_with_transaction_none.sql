-- cofferdam:transaction none
ALTER TABLE orders DROP COLUMN legacy, ALTER COLUMN note SET NOT NULL;

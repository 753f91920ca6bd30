-- cofferdam:transaction none
CALL fill_in();
SET search_path TO app;
ALTER TABLE orders ADD COLUMN place text;

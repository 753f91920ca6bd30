-- cofferdam:allow drop-constraint reason="the column is NOT NULL since 013" until=2099-01-31
ALTER TABLE orders DROP CONSTRAINT orders_note_there;

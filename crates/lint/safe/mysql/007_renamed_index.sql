ALTER TABLE orders RENAME INDEX orders_total TO orders_by_total, ALGORITHM=INPLACE, LOCK=NONE;

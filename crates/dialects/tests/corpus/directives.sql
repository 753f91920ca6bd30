-- cofferdam:transaction none
-- why

-- cofferdam:allow drop-table reason="nobody reads it" until=2027-01-31
DROP TABLE t;

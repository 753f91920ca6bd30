-- cofferdam:transaction none

# cofferdam:allow drop-table reason="gone"
DROP TABLE a;

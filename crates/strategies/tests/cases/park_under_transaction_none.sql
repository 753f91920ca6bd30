-- case: park 3600
-- cofferdam:transaction none
DROP TABLE plans;
CREATE TABLE made (id int);
DROP TABLE made;

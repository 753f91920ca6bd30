-- case: park 3600
SET search_path = app;
DROP TABLE plans;

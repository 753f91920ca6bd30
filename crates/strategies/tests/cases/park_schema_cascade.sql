-- case: park 3600
DROP SCHEMA app CASCADE;

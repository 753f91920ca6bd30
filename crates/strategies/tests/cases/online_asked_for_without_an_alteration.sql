-- case: strategy shadow-table
CREATE TABLE notes (id bigint);
COMMENT ON TABLE notes IS 'x';

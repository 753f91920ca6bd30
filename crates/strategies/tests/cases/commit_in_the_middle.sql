CREATE TABLE notes (id bigint);
COMMIT;
CREATE TABLE more_notes (id bigint);

BEGIN;
CREATE TABLE notes (id bigint);
COMMIT;
BEGIN;
CREATE TABLE more_notes (id bigint);
COMMIT;

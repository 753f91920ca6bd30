CREATE TABLE notes (id bigint);
INSERT INTO notes VALUES (1);
DROP TABLE notes;

CREATE TABLE notes (id bigint);
SAVEPOINT here;

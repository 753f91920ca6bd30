//! A throw-away PostgreSQL server for the demo, for rehearsals and for tests

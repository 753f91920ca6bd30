CREATE TABLE notes (id bigint, text text);
COPY notes (id, text) FROM stdin;
1	first
2	\N
\.
COPY customers (id) FROM stdin;
7
\.

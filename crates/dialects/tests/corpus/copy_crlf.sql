COPY t FROM stdin;
1
2
\.
SELECT 1;
-- about two
SELECT
  2;

COPY t FROM stdin (format csv);
"a\.b"
\.
SELECT 1;

COPY t (a, b) FROM stdin;
1	a;b
2	it's
\.
SELECT 1;
copy "from stdin" -- a remark;
  (a /* ; */) from /* here */ STDIN with (format csv, delimiter ';') ; -- rows follow
\copy is data here
"a;b"

\.
COPY t FROM STDOUT WHERE a > 0;
1
\.
COPY t TO stdout;
COPY (SELECT * FROM stdin) TO STDOUT;
COPY t FROM 'stdin';
SELECT 2;
COPY t FROM stdin (delimiter E'\'');
\.x
 \.
\.
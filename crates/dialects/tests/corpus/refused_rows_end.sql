SELECT 1;
\.

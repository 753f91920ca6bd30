-- one; comment
# another; one
/* and; a
third; */
SELECT 1 /* inside; */, 2 -- end; of line
, 3 # and; here
; -- behind
SELECT 4--5; SELECT 6 - -7;
SELECT 8 --
;
--no space behind it; where a statement would begin
SELECT 9; /* about ten */ SELECT 10;
/* /* does not nest; */ SELECT 11;
SELECT /*+ MAX_EXECUTION_TIME(1000) */ 12;

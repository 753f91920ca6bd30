-- first; with ' and " and $$
SELECT 1; -- behind; the first
/* a /* nested ; */ comment ; */ SELECT 2 /* inside; */ + -- inside ;
  3 -- before the end
;
-- directly
-- before
/* and
 a block */
SELECT 4;/* behind */
SELECT 5; /* about six */ SELECT 6;
SELECT 7 /* last word */;
SELECT a-->b
;
SELECT 1*/* product */2, 4/*/ not closed ;/* */ */*/* */2;
-- squawk-ignore ban-drop-table

-- far away
SELECT 8
-- the end; without semicolon

;;
; -- nothing
/* nor here */;
SELECT 1;;;
-- about two
;
SELECT 2;
;
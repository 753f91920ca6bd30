SELECT $$;$$, $a$ $b$;$b$ $$ ; $a$, $_$;$_$, $é1$;$é1$;
SELECT a$b$c FROM t; SELECT $1, $2;
SELECT 1$$;$$;
PREPARE p AS SELECT $1$$;$$;
SELECT $$ -- no comment
 /* nor this ; ' " $$;
SELECT $a$ $A$ ; $a$;
SELECT $a$ $a ; $a$;

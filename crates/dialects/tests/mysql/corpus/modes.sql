SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES';
SELECT 'a\\', 'b\n', "c""d";
SET sql_mode = DEFAULT;
SELECT 'a\'b';

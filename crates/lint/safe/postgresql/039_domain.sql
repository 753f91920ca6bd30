CREATE DOMAIN short_text AS text;
ALTER DOMAIN short_text ADD CONSTRAINT short CHECK (length(VALUE) < 100) NOT VALID;

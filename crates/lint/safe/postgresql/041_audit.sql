CREATE SCHEMA audit;
CREATE SEQUENCE audit.numbers;
CREATE TABLE audit.log (
    number bigint PRIMARY KEY DEFAULT nextval('audit.numbers'),
    who text NOT NULL,
    seen uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ON audit.log (who, at);

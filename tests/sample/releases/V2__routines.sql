CREATE SCHEMA audit;
CREATE SEQUENCE audit.numbers START 1000;
CREATE TABLE audit.trail (id bigint DEFAULT nextval('audit.numbers') PRIMARY KEY, at timestamptz DEFAULT now(), what text);
CREATE FUNCTION audit.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit.trail (what) VALUES (tg_op || '; ' || tg_table_name);
    RETURN new;
END $$;
CREATE TRIGGER noted AFTER UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION audit.note();
CREATE FUNCTION total_of(who bigint) RETURNS numeric LANGUAGE sql STABLE
    BEGIN ATOMIC SELECT sum(total) FROM orders WHERE user_id = who; END;

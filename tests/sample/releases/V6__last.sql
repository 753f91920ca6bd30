ALTER TABLE audit.trail SET SCHEMA public;
ALTER TABLE trail RENAME TO journal;
ALTER TABLE journal ALTER COLUMN what SET NOT NULL;
CREATE POLICY own_notes ON journal USING (what LIKE current_user || '%');

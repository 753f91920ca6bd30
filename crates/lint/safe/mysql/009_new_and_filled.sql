CREATE TABLE regions (id bigint NOT NULL PRIMARY KEY, name varchar(50) NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO regions VALUES (1, 'north'), (2, 'south');
CREATE INDEX regions_name ON regions (name);

CREATE TYPE mood AS ENUM ('sad', 'glad');
ALTER TABLE customers ADD COLUMN feeling mood;

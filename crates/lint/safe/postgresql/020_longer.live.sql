-- From varchar(20) nothing is written anew.
ALTER TABLE customers ALTER COLUMN city TYPE varchar(200);

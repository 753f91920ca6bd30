SET standard_conforming_strings = off;
SELECT 'no backslash';
SET standard_conforming_strings TO 'on';
SELECT 'a\';

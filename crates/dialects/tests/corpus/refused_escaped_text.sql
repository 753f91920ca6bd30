SELECT é, E'a\';

CREATE TABLE ${tbl} (a text DEFAULT '${x};');
SELECT '$', $ 1, a[1:2], b::int, :c;

SELECT 'a;b', 'it''s; fine', ';', ''';''';
SELECT "a;b", "it""s;", U&"d\0061t;a";
SELECT 'a\'; SELECT 'b';
SELECT E'a\';b', e'\\', E'\\\';';
SELECT U&'\0061;''', B'01', x'1f', N'n;', u&'!;' UESCAPE '!';
SELECT E'first'
  -- a remark; with a quote '
  'sec\';ond';
SELECT typE'x\';
SELECT 'two' 'no continuation';
SELECT 'multi
line; text
';

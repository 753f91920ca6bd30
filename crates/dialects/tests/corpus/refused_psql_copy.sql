SELECT 1;

\copy t from 'x.csv'

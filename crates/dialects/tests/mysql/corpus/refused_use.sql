use app
SELECT 1;

USE app;
SELECT 1;
use other

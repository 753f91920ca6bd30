SELECT '🦀;', "ß;" AS `größe;`, naïve FROM größe; -- 🦀;
SELECT 1;

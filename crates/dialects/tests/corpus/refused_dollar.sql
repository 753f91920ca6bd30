SELECT 1;
  DO $Body$ BEGIN; END $body$;

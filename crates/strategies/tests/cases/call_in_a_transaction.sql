CALL fill_in();

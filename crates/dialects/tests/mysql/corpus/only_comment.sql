-- nothing
# at; all
/* here; */

//! Rules that say what a change will do to a live database

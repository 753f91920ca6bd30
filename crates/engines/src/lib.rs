//! Databases behind one trait

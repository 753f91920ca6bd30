//! Migration directories of the tools of the field, read as one Bundle

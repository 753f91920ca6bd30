//! SQL text to statements and changes, and back: the splitter, the reader, native safe sequences

//! Findings of `reseat decode`.

super::findings! {
    ids {
        /// A row contains something other than bytes of two hexadecimal digits. Facts: `line`, `text`.
        DUMP_BYTE_INVALID = "dump-byte-invalid";
        /// A row continues beyond configuration space. Facts: `line`, `offset`.
        DUMP_OFFSET_BEYOND_SPACE = "dump-offset-beyond-space";
        /// Two rows give different values to one byte. Facts: `line`, `offset`.
        DUMP_BYTE_TWICE = "dump-byte-twice";
        /// A function has a title and no rows. Facts: `line`, `function`.
        DUMP_FUNCTION_EMPTY = "dump-function-empty";
        /// The text has no rows. Facts: `line`.
        DUMP_EMPTY = "dump-empty";
        /// The header of a function cannot be decoded. Facts: `line`, `cause`.
        DUMP_HEADER_UNREADABLE = "dump-header-unreadable";
    }
    remedies {}
}

//! Findings of `reseat decode`.

super::findings! {
    ids {
        /// A row contains something other than bytes of two hexadecimal digits. Facts: `line`, `text`.
        DUMP_BYTE_INVALID = "dump-byte-invalid";
        /// A row continues beyond configuration space. Facts: `line`, `offset`.
        DUMP_OFFSET_BEYOND_SPACE = "dump-offset-beyond-space";
        /// Two rows give different values to one byte. Facts: `line`, `offset`.
        DUMP_BYTE_TWICE = "dump-byte-twice";
        /// A function has a title and no rows. Facts: `line`, `function`, `others` if there are more of them.
        DUMP_FUNCTION_EMPTY = "dump-function-empty";
        /// The text has no rows. Facts: `line`.
        DUMP_EMPTY = "dump-empty";
        /// The header of a function cannot be decoded. Facts: `line`, `function`, `address`, `cause`.
        DUMP_HEADER_UNREADABLE = "dump-header-unreadable";
        /// Every byte of a function is ff. Facts: `line`, `function`, `address`, `bytes`.
        DUMP_NO_ANSWER = "dump-no-answer";
        /// A dump ends before the capabilities begin. Facts: `line`, `function`, `address`.
        DUMP_HEADER_ONLY = "dump-header-only";
        /// Bytes are missing that the decoder needs. Facts: `line`, `function`, `address`, `missing`.
        DUMP_BYTES_MISSING = "dump-bytes-missing";
        /// Rows make up no header. Facts: `line`, `others` if there are more such places.
        DUMP_ROWS_FOREIGN = "dump-rows-foreign";
        /// A binary file is no configuration space. Facts: `bytes`.
        DUMP_BINARY_FOREIGN = "dump-binary-foreign";
        /// A file has more functions than are decoded. Facts: `line`, `limit`.
        DUMP_FUNCTIONS_LEFT_OUT = "dump-functions-left-out";
        /// A file is too long for a dump. Facts: `limit`.
        DUMP_TOO_LONG = "dump-too-long";
        /// No file is named, and nothing is piped in.
        DUMP_NOT_NAMED = "dump-not-named";
    }
    remedies {
        /// The function should be dumped as root.
        DUMP_AGAIN = "dump-again";
        /// The function sleeps or needs a reset.
        WAKE_OR_RESET = "wake-or-reset";
        /// The command needs a file or a pipe.
        NAME_A_DUMP = "name-a-dump";
    }
}

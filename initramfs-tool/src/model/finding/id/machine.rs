//! Findings on files, functions and programs, in any command.

super::findings! {
    ids {
        /// A file cannot be read. Facts: `cause`.
        FILE_UNREADABLE = "file-unreadable";
        /// A file cannot be written. Facts: `cause`, and `value` for an attribute.
        FILE_UNWRITABLE = "file-unwritable";
        /// A configuration space cannot be read. Facts: `cause`.
        CONFIG_UNREADABLE = "config-unreadable";
    }
    ways {
        /// The command needs root.
        RUN_AS_ROOT = "run-as-root";
    }
}

//! Findings on files, functions and programs, in any command.

super::findings! {
    ids {
        /// A file cannot be read. Facts: `cause`.
        FILE_UNREADABLE = "file-unreadable";
        /// A file cannot be written. Facts: `cause`.
        FILE_UNWRITABLE = "file-unwritable";
        /// An attribute rejects a value. Facts: `value`, `cause`.
        ATTRIBUTE_UNWRITABLE = "attribute-unwritable";
        /// A directory cannot be listed. Facts: `cause`.
        DIRECTORY_UNLISTABLE = "directory-unlistable";
        /// An entry among the PCI functions does not have the name of one. Facts: `cause`.
        NOT_A_FUNCTION = "not-a-function";
        /// A file in sysfs does not contain a valid number. Facts: `text`, `digits`.
        NUMBER_MALFORMED = "number-malformed";
        /// The link to a physical function leads elsewhere. Facts: `cause`.
        PHYSFN_MALFORMED = "physfn-malformed";
        /// A function's serial number is unknown. Facts: `cause`.
        SERIAL_NUMBER_UNREADABLE = "serial-number-unreadable";
        /// A function has left the machine. Facts: those of the operation that detected it.
        FUNCTION_GONE = "function-gone";
        /// A function does not answer: its configuration space reads all-ones.
        FUNCTION_ABSENT = "function-absent";
        /// A function is not ready: it answers with RRS.
        FUNCTION_NOT_READY = "function-not-ready";
        /// A function answers too slowly to be claimed. Facts: `seconds`.
        FUNCTION_SLOW = "function-slow";
        /// A function's configuration space reads 0.
        FUNCTION_READS_ZERO = "function-reads-zero";
        /// A function's configuration space cannot be read. Facts: `cause`.
        CONFIG_UNREADABLE = "config-unreadable";
        /// A function's power state register cannot be read. Facts: `cause`.
        PMCSR_UNREADABLE = "pmcsr-unreadable";
        /// A function's capability list is damaged, so its power state is unknown. Facts: `list`.
        POWER_STATE_UNVERIFIABLE = "power-state-unverifiable";
    }
    remedies {
        /// The command needs root.
        RUN_AS_ROOT = "run-as-root";
    }
}

//! Findings on the command line: its words, the GPUs that it names, and what ends a command.

super::findings! {
    ids {
        /// A command ended without its result. Facts: `cause`.
        COMMAND_FAILED = "command-failed";
        /// The arguments make no sense. Facts: `cause`.
        USAGE = "usage";
        /// A name means several GPUs. Facts: `name`, `count`, `gpus`.
        GPU_NAME_AMBIGUOUS = "gpu-name-ambiguous";
        /// A name means no GPU of this machine. Facts: `name`, `gpus`.
        GPU_NAME_UNKNOWN = "gpu-name-unknown";
        /// No GPU is at an address. Facts: `gpus`.
        GPU_ABSENT = "gpu-absent";
    }
    remedies {
        /// One of several GPUs is meant.
        NAME_ONE_ADDRESS = "name-one-address";
        /// The help text has what the arguments mean.
        SEE_HELP = "see-help";
    }
}

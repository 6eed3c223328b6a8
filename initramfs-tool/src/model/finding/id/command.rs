//! Findings on the command line: its arguments, the GPUs that it names, and the end of a command.

super::findings! {
    ids {
        /// A command ended without its result. Facts: `cause`.
        COMMAND_FAILED = "command-failed";
        /// The arguments are invalid. Facts: `cause`.
        USAGE = "usage";
        /// A name matches several GPUs. Facts: `name`, `count`, `gpus`.
        GPU_NAME_AMBIGUOUS = "gpu-name-ambiguous";
        /// A name matches no GPU of this machine. Facts: `name`, `gpus`.
        GPU_NAME_UNKNOWN = "gpu-name-unknown";
        /// No GPU is at an address. Facts: `gpus`.
        GPU_ABSENT = "gpu-absent";
    }
    remedies {
        /// One of several GPUs has to be named.
        NAME_ONE_ADDRESS = "name-one-address";
        /// The help text explains the arguments.
        SEE_HELP = "see-help";
    }
}

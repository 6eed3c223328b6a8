//! Claiming a GPU, or isolating one that is out of service: the decisions.
//!
//! [`Claim`] takes one GPU to what its [`Target`] aims at, an [`Operation`] at a time; a claim also back if anything fails. [`Supervision`]
//! watches the workers that perform those operations, since any of them can block for ever in the kernel. Both are
//! machines: they are told what happened and when, and say what to do next; `crate::linux` does it.

mod change;
mod failure;
mod limits;
pub(crate) mod machine;
pub(crate) mod operation;
mod outcome;
mod power;
mod supervision;
mod target;

pub use change::Change;
pub use failure::{Failure, FailureKind};
pub use limits::Limits;
pub use machine::{Claim, Step};
pub use operation::{Attribute, Operation, OperationAnswer, Verb};
pub use outcome::{FunctionPower, Leftover, Outcome, Rollback};
pub use power::{PmcsrReading, PowerReading};
pub use supervision::{Assignment, Command, Finished, Supervision, WorkerEvent, WorkerId};
pub use target::{Aim, DmaIsolation, Memory, Target, TargetFunction};

/// The driver that a claimed function is bound to.
pub const VFIO_PCI: &str = "vfio-pci";

/// A driver that nobody has. With this for its override a function is bound by nobody, and its `/dev/vfio/N` is gone.
pub const NOBODY: &str = "reseat-quarantine";

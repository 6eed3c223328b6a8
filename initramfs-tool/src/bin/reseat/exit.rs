//! Exit statuses. One table holds for all commands: `docs/exit-status.md`.

use std::process::ExitCode;

use reseat_core::recovery::{End, Quarantine};

/// The reference that help texts end with.
pub(crate) const HELP: &str = "\
Exit status: 0 done, and all is as asked; 1 failed; 2 usage error; 3 not proven, or a part is missing; 4 refused; 5 the GPU \
is out of service; 6 the GPU should be out of service, or a change should be undone, and is not. \
/usr/share/doc/reseat/exit-status.md has what each means for each command.";

/// How a command ends. Scripts rely on the numbers: they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done, and all is as asked.
    Done = 0,
    /// Failed: the command could not do or find out what was asked.
    Failed = 1,
    /// The arguments, or rules among them, make no sense.
    Usage = 2,
    /// Not proven: a reset is not verified, or a part of the answer is missing.
    Unproven = 3,
    /// Refused: reseat does not do it, for a reason that it names.
    Refused = 4,
    /// The GPU is out of service.
    OutOfService = 5,
    /// The GPU should be out of service and is not isolated, or a change could not be undone.
    NotMadeSafe = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<End> for Exit {
    fn from(end: End) -> Self {
        match end {
            End::Recovered { .. } => Self::Done,
            End::Unverified { .. } => Self::Unproven,
            End::Refused(_) => Self::Refused,
            End::OutOfService { quarantine, .. } => match quarantine {
                Quarantine::Done => Self::OutOfService,
                Quarantine::Failed(_) => Self::NotMadeSafe,
            },
        }
    }
}

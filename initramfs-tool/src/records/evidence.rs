//! The evidence of a recovery: its events, and the GPU with its path before the first rung, after each one that reset
//! something, and at the end.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `dump` | configuration spaces as rows of hexadecimal bytes, and back |
//! | `fit` | a bundle within its bound |
//! | `form` | a bundle as JSON, and what version 1 of it was |

mod dump;
mod fit;
mod form;

pub use dump::{SpaceDump, SpaceState, hex_of};
pub use fit::{LARGEST, encode};

use std::collections::BTreeMap;

use jiff::Timestamp;
use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::decision::{Rung, Use};
use reseat_core::recovery::End;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::versioned::{self, VersionError};
use super::wire;
use crate::model::finding::Finding;
use crate::model::subject::RecoverySubject;
use crate::model::usage::Usage;

/// The evidence of one recovery.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(into = "form::Document")]
pub struct Bundle {
    /// The device number that the GPU's functions share.
    pub device: DeviceAddress,
    /// When it began.
    pub begun: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Its end; none while it goes on.
    pub end: Option<BundleEnd>,
    /// The machine.
    pub machine: Host,
    /// The GPU, and the ports above it.
    pub subject: RecoverySubject,
    /// The events, in order.
    pub events: Vec<TimedEvent>,
    /// The readings, in order.
    pub moments: Vec<Moment>,
    /// What was taken out so that the bundle keeps within its bound.
    pub left_out: Vec<Finding>,
}

/// The end of a recovery in its bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BundleEnd {
    /// The end.
    End(End),
    /// A sentence of version 1.
    Text(String),
}

/// The machine and what runs on it. What cannot be read is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// The version of reseat.
    pub reseat: String,
    /// The kernel's release.
    pub kernel: Option<String>,
    /// The kernel's command line.
    pub command_line: Option<String>,
    /// The ID of this boot.
    pub boot_id: Option<String>,
    /// Since the boot, in seconds, as the kernel writes it.
    pub uptime: Option<String>,
}

/// An event, and when it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimedEvent {
    /// When, in milliseconds from the begin.
    pub after_ms: u64,
    /// The event, as `reseat recover --json` prints it.
    pub event: Value,
    /// The sentence that version 1 recorded beside it.
    pub text: Option<String>,
}

/// The GPU and its path at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The moment.
    pub when: When,
    /// The same in milliseconds from the begin.
    pub after_ms: u64,
    /// How long reading took, in milliseconds.
    pub took_ms: u64,
    /// The ports above the GPU, the bridges of its card and its functions.
    pub functions: Vec<FunctionEvidence>,
    /// The users of the GPU; none where they were not read.
    pub users: Option<Users>,
    /// The kernel log until then.
    pub kernel_log: Excerpt,
    /// What was to be read and was not.
    pub not_read: Vec<Finding>,
}

/// A moment of a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Before anything was changed.
    Before,
    /// After a rung that has reset something.
    After(Rung),
    /// At the end, where something was done after the last rung.
    End,
}

/// The users of a GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Users {
    /// The answer in one word.
    pub usage: Use,
    /// The users, or what kept them from being seen.
    pub findings: Vec<Finding>,
}

impl From<&Usage> for Users {
    fn from(usage: &Usage) -> Self {
        Self {
            usage: usage.into(),
            findings: usage.findings(),
        }
    }
}

/// One function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionEvidence {
    /// Its address.
    pub address: FunctionAddress,
    /// Its role for the GPU.
    pub role: Role,
    /// True if the kernel lists it.
    pub listed: bool,
    /// Its files in sysfs, those that are there, by name; of a link, what it leads to.
    pub attributes: BTreeMap<String, String>,
    /// Its configuration space; none where that was not read.
    pub space: Option<SpaceDump>,
}

/// The role of a function for the GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A port above it.
    Port,
    /// A bridge of its card that is not above it.
    Switch,
    /// A function of it.
    Gpu,
}

/// A part of the kernel log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excerpt {
    /// The lines, oldest first, each with the seconds since the boot.
    pub lines: Vec<String>,
    /// How many lines before those are not here.
    pub dropped: u64,
}

/// A part of what is read at one moment: what hangs in the kernel takes its own part along and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// Of all functions, what the kernel remembers: neither a lock is waited for nor a function woken.
    Remembered,
    /// Of one function, its configuration space and what takes its lock.
    Function(FunctionAddress),
    /// The users of the GPU.
    Users,
}

/// What was read of a part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collected {
    /// Functions, each with what was read of it.
    pub functions: Vec<FunctionEvidence>,
    /// The users of the GPU.
    pub users: Option<Users>,
    /// What was not read.
    pub not_read: Vec<Finding>,
}

impl Bundle {
    /// Reads a file's content.
    ///
    /// # Errors
    /// When it is no bundle, or one of another schema.
    pub fn parse(bytes: &[u8]) -> Result<Self, VersionError> {
        versioned::from_slice(bytes)
    }

    /// Its end as JSON has it.
    pub fn end(&self) -> EndOfBundle {
        EndOfBundle(self.end.clone())
    }
}

/// The end of a recovery, as JSON has it in its bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct EndOfBundle(#[serde(serialize_with = "wire::serialize")] Option<BundleEnd>);

impl Moment {
    /// A moment of which nothing was read yet.
    pub fn new(when: When, after_ms: u64) -> Self {
        Self {
            when,
            after_ms,
            took_ms: 0,
            functions: Vec::new(),
            users: None,
            kernel_log: Excerpt::default(),
            not_read: Vec::new(),
        }
    }

    /// Adds what was read of a part.
    pub fn add(&mut self, collected: Collected) {
        for function in collected.functions {
            let known = self.functions.iter_mut();
            match known.into_iter().find(|known| known.address == function.address) {
                Some(known) => {
                    known.attributes.extend(function.attributes);
                    known.space = function.space.or(known.space.take());
                }
                None => self.functions.push(function),
            }
        }
        self.users = collected.users.or(self.users.take());
        self.not_read.extend(collected.not_read);
    }

    /// The function at `address`.
    pub fn function(&self, address: FunctionAddress) -> Option<&FunctionEvidence> {
        self.functions.iter().find(|function| function.address == address)
    }
}

impl FunctionEvidence {
    /// A function of which nothing was read yet.
    pub fn new(address: FunctionAddress, subject: &RecoverySubject, listed: bool) -> Self {
        let role = if subject.ports.contains(&address) {
            Role::Port
        } else if subject.switch.contains(&address) {
            Role::Switch
        } else {
            Role::Gpu
        };
        Self {
            address,
            role,
            listed,
            attributes: BTreeMap::new(),
            space: None,
        }
    }
}

/// The functions that are looked at for a GPU: the ports above it from the root port on, the bridges of its card, its own
/// functions.
pub fn functions_of(subject: &RecoverySubject) -> Vec<FunctionAddress> {
    let mut functions = subject.ports.clone();
    functions.extend(subject.switch.iter().filter(|bridge| !subject.ports.contains(bridge)));
    functions.extend(subject.functions());
    functions
}

impl When {
    /// The name of the moment in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After(_) => "after",
            Self::End => "end",
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::fixture;

//! What was seen in a recovery: all that happened, and the GPU with its path before the first rung, after each one that
//! reset something, and at the end.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `dump` | configuration spaces as rows of hexadecimal bytes, and back |
//! | `fit` | a bundle within its bound |
//! | `words` | a bundle for people, with what differs from one moment to the next |

mod dump;
mod fit;
mod words;

pub use dump::{Space, hex_of};
pub use fit::{LARGEST, encode};
pub use words::{differences, summary};

use std::collections::BTreeMap;

use jiff::Timestamp;
use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::decision::Rung;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::recovery::Subject;

/// The form of a bundle: fields may be added under the same name, anything else makes a new one.
pub const SCHEMA: &str = "reseat.evidence/1";

/// All that was seen in one recovery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bundle {
    /// [`SCHEMA`].
    pub schema: String,
    /// The device number that the GPU's functions share.
    pub device: DeviceAddress,
    /// When it began.
    pub begun: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// How it ended, in words.
    pub end: String,
    /// The machine.
    pub machine: Machine,
    /// The GPU, and the ports above it.
    pub subject: Subject,
    /// What happened, in order.
    pub told: Vec<Told>,
    /// What was read, in order.
    pub moments: Vec<Evidence>,
    /// What was taken out so that the bundle keeps within its bound, in words.
    pub left_out: Vec<String>,
}

/// The machine and what runs on it. What cannot be read is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The version of reseat.
    pub reseat: String,
    /// The kernel's release.
    pub kernel: Option<String>,
    /// The kernel's command line.
    pub command_line: Option<String>,
    /// Which boot this is.
    pub boot_id: Option<String>,
    /// Since the boot, in seconds, as the kernel writes it.
    pub uptime: Option<String>,
}

/// Something that was told while the recovery went on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// When, in milliseconds from the begin.
    pub after_ms: u64,
    /// The event, as `reseat recover --json` prints it.
    pub event: Value,
    /// The same in words.
    pub text: String,
}

/// The GPU and its path at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Which moment.
    pub when: When,
    /// The same in milliseconds from the begin.
    pub after_ms: u64,
    /// How long reading took, in milliseconds.
    pub took_ms: u64,
    /// The ports above the GPU, the bridges of its card and its functions.
    pub functions: Vec<FunctionEvidence>,
    /// Who uses the GPU, in words; none where that was not read.
    pub users: Option<String>,
    /// What the kernel had said until then.
    pub kernel_log: Excerpt,
    /// What was to be read and was not, in words.
    pub not_read: Vec<String>,
}

/// A moment of a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// Before anything was changed.
    Before,
    /// After a rung that has reset something.
    After(Rung),
    /// At the end, where something was done after the last rung.
    End,
}

/// One function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionEvidence {
    /// Where it is.
    pub address: FunctionAddress,
    /// What it is to the GPU.
    pub role: Role,
    /// Whether the kernel has it.
    pub listed: bool,
    /// Its files in sysfs, those that are there, by name; of a link, what it leads to.
    pub attributes: BTreeMap<String, String>,
    /// Its configuration space; none where that was not read.
    pub space: Option<Space>,
}

/// What a function is to the GPU.
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
    /// Who uses the GPU.
    Users,
}

/// What was read of a part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collected {
    /// Functions, each with what was read of it.
    pub functions: Vec<FunctionEvidence>,
    /// Who uses the GPU, in words.
    pub users: Option<String>,
    /// What was not read, in words.
    pub not_read: Vec<String>,
}

impl Evidence {
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
    pub fn new(address: FunctionAddress, subject: &Subject, listed: bool) -> Self {
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
pub fn functions_of(subject: &Subject) -> Vec<FunctionAddress> {
    let mut functions = subject.ports.clone();
    functions.extend(subject.switch.iter().filter(|bridge| !subject.ports.contains(bridge)));
    functions.extend(subject.functions());
    functions
}

impl std::fmt::Display for When {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Before => f.write_str("before the first rung"),
            Self::After(rung) => write!(f, "after {rung}"),
            Self::End => f.write_str("at the end"),
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Port => "port above",
            Self::Switch => "bridge of the card",
            Self::Gpu => "GPU",
        })
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::fixture;

//! The effects that a claim is made of, one kernel interface each, and what the kernel answered.

pub(crate) mod form;

use std::fmt;

use reseat_core::address::FunctionAddress;
use reseat_core::header::Identity;
use serde::{Deserialize, Serialize};

use super::power::PowerReading;
use crate::model::display::Framebuffer;

/// One effect on one function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The function it is done to.
    pub function: FunctionAddress,
    /// What is done.
    pub verb: Verb,
}

/// What can be done to a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verb {
    /// Ask the function itself whether it is there, and how it is put to sleep.
    Probe,
    /// Write an attribute and tell what it was before.
    Write {
        /// Which.
        attribute: Attribute,
        /// The new value.
        value: String,
    },
    /// Take the function from its driver.
    Unbind {
        /// The driver that has it.
        driver: String,
    },
    /// Give the function to a driver.
    Bind {
        /// The driver that shall have it.
        driver: String,
    },
    /// Take the driver off a framebuffer that the firmware set up in the function's memory.
    ReleaseFramebuffer(Framebuffer),
    /// Give such a framebuffer back to its driver.
    RestoreFramebuffer(Framebuffer),
    /// Read which driver the function is bound to.
    ReadDriver,
    /// Read which IOMMU the function is behind.
    ReadIommu,
    /// Read who else lies in the function's memory.
    ReadMemory,
    /// Read the function's power state and its pin, from the kernel and from the function itself.
    ReadPower,
}

/// The attributes that a claim writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attribute {
    /// `driver_override`: the only driver that may bind the function.
    DriverOverride,
    /// `d3cold_allowed`: whether the function and the bridges above it may lose power while idle.
    D3coldAllowed,
    /// `power/control`: `on` keeps the function in D0, `auto` lets it sleep.
    PowerControl,
}

impl Verb {
    /// True if the kernel may keep its caller waiting. A look at a link, or at the map of memory, waits for nothing that
    /// a device does.
    pub fn may_block(&self) -> bool {
        !matches!(self, Self::ReadDriver | Self::ReadMemory)
    }
}

impl Attribute {
    /// The attribute's file below the function's directory.
    pub fn file(self) -> &'static str {
        match self {
            Self::DriverOverride => "driver_override",
            Self::D3coldAllowed => "d3cold_allowed",
            Self::PowerControl => "power/control",
        }
    }
}

/// What an operation brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperationAnswer {
    /// The function is there.
    Present {
        /// Who it says that it is.
        identity: Identity,
        /// The driver that has it.
        driver: Option<String>,
        /// Its `power/control`, which a bind to vfio-pci sets to `auto`; absent where the kernel has none.
        power_control: Option<String>,
    },
    /// The write was taken.
    Written {
        /// The value before.
        before: String,
    },
    /// This kernel has no such attribute.
    NoSuchAttribute,
    /// Bind and unbind, of functions and framebuffers: the kernel took the request.
    Accepted,
    /// The driver that has the function.
    Driver(Option<String>),
    /// The IOMMU that the function is behind, as the kernel calls it.
    Iommu(Option<String>),
    /// The names of what else lies in the function's memory.
    Memory(Vec<String>),
    /// The function's power state and its pin.
    Power(PowerReading),
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let function = self.function;
        match &self.verb {
            Verb::Probe => write!(formatter, "read config of {function}"),
            Verb::Write { attribute, value } if value.is_empty() => {
                write!(formatter, "clear {} of {function}", attribute.file())
            }
            Verb::Write { attribute, value } => {
                write!(formatter, "write {value} to {} of {function}", attribute.file())
            }
            Verb::Unbind { driver } => write!(formatter, "unbind {function} from {driver}"),
            Verb::Bind { driver } => write!(formatter, "bind {function} to {driver}"),
            Verb::ReleaseFramebuffer(framebuffer) => write!(formatter, "release {framebuffer} in {function}"),
            Verb::RestoreFramebuffer(framebuffer) => write!(formatter, "restore {framebuffer} in {function}"),
            Verb::ReadDriver => write!(formatter, "read driver of {function}"),
            Verb::ReadIommu => write!(formatter, "read the IOMMU of {function}"),
            Verb::ReadMemory => write!(formatter, "read who lies in the memory of {function}"),
            Verb::ReadPower => write!(formatter, "read the power state of {function}"),
        }
    }
}

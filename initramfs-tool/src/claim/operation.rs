//! The effects that a claim is made of, one kernel interface each, and what the kernel answered.

use std::fmt;

use reseat_core::address::FunctionAddress;
use serde::{Deserialize, Serialize};

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
    /// Read which driver the function is bound to.
    ReadDriver,
    /// Read the function's power state, from the kernel and from the function itself.
    ReadPower,
}

/// The attributes that a claim writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Attribute {
    /// `driver_override`: the only driver that may bind the function.
    DriverOverride,
    /// `d3cold_allowed`: whether the function and the bridges above it may lose power while idle.
    D3coldAllowed,
    /// `power/control`: `on` keeps the function in D0, `auto` lets it sleep.
    PowerControl,
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
pub enum Answer {
    /// The function is there.
    Present {
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
    /// Bind and unbind: the kernel took the request.
    Accepted,
    /// The driver that has the function.
    Driver(Option<String>),
    /// The function's power state.
    Power(PowerReading),
}

/// A function's power state from three independent witnesses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerReading {
    /// `power/runtime_status`, if the kernel has it.
    pub runtime_status: Option<String>,
    /// `power_state`: the kernel's own idea, if the kernel has it.
    pub kernel: Option<String>,
    /// The function's PMCSR, unless it has no Power Management capability.
    pub function: Option<PowerState>,
}

impl PowerReading {
    /// Whether every witness that there is says that the function is in D0 and awake.
    pub fn is_d0(&self) -> bool {
        let kernel_agrees = match self.kernel.as_deref() {
            None | Some("D0") => true,
            // What the kernel calls a function that it cannot ask.
            Some("unknown") => self.function.is_none(),
            Some(_) => false,
        };
        let awake = matches!(self.runtime_status.as_deref(), None | Some("active" | "unsupported"));
        kernel_agrees && awake && matches!(self.function, None | Some(PowerState::D0))
    }
}

impl fmt::Display for PowerReading {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_absent = |text: &Option<String>| text.clone().unwrap_or_else(|| "absent".to_owned());
        write!(
            formatter,
            "runtime_status {}, power_state {}, PMCSR {}",
            or_absent(&self.runtime_status),
            or_absent(&self.kernel),
            self.function.map_or("absent", PowerState::name)
        )
    }
}

/// The power state in a function's PMCSR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PowerState {
    /// Fully on.
    D0,
    /// Light sleep.
    D1,
    /// Deeper sleep.
    D2,
    /// Off but for its configuration space.
    D3hot,
    /// The register reads all-ones: the function does not answer.
    Inaccessible,
}

impl PowerState {
    fn name(self) -> &'static str {
        match self {
            Self::D0 => "D0",
            Self::D1 => "D1",
            Self::D2 => "D2",
            Self::D3hot => "D3hot",
            Self::Inaccessible => "all-ones",
        }
    }
}

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What a decision can be made on.
    pub kind: FailureKind,
    /// The file or attribute, and the cause, for people.
    pub message: String,
}

/// The kinds of failure that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureKind {
    /// The function is no longer listed.
    Vanished,
    /// EBUSY: to `bind`, already bound (or a physical function with virtual ones).
    Busy,
    /// EAGAIN: the kernel has put it off.
    Again,
    /// The operation did not come back in time.
    Blocked,
    /// Anything else.
    Other,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

/// A change made to a function, with what takes it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The function that was changed.
    pub function: FunctionAddress,
    /// What takes the change back.
    pub undo: Verb,
}

impl Change {
    /// The changes that an operation made. `power_control` is what that attribute was before the claim.
    pub(super) fn of(operation: &Operation, answer: &Answer, power_control: Option<&str>) -> Vec<Self> {
        let restored_control = || {
            power_control.map(|value| Verb::Write {
                attribute: Attribute::PowerControl,
                value: value.to_owned(),
            })
        };
        let undo: Vec<Verb> = match (&operation.verb, answer) {
            (
                Verb::Write {
                    attribute: Attribute::PowerControl,
                    ..
                },
                Answer::Written { .. },
            ) => restored_control().into_iter().collect(),
            (Verb::Write { attribute, value }, Answer::Written { before }) => {
                // Unset, `driver_override` reads as `(null)`; an empty line unsets it.
                let before = if before == "(null)" { "" } else { before };
                let undo = Verb::Write {
                    attribute: *attribute,
                    value: before.to_owned(),
                };
                if before == value { Vec::new() } else { vec![undo] }
            }
            (Verb::Unbind { driver }, Answer::Accepted) => vec![Verb::Bind { driver: driver.clone() }],
            (Verb::Bind { driver }, Answer::Accepted) => {
                let driver = driver.clone();
                std::iter::once(Verb::Unbind { driver })
                    .chain(restored_control())
                    .collect()
            }
            _ => Vec::new(),
        };
        let function = operation.function;
        undo.into_iter().map(|undo| Self { function, undo }).collect()
    }
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
            Verb::ReadDriver => write!(formatter, "read driver of {function}"),
            Verb::ReadPower => write!(formatter, "read the power state of {function}"),
        }
    }
}

/// What takes `changes` back, in an order that works: a function leaves vfio-pci before its attributes are restored,
/// since that driver writes `power/control` itself, and its former driver gets it only when the override is gone.
pub(super) fn undo_script(changes: &[Change]) -> Vec<Operation> {
    let mut script: Vec<Operation> = Vec::new();
    for change in changes.iter().rev() {
        let operation = Operation {
            function: change.function,
            verb: change.undo.clone(),
        };
        if !script.contains(&operation) {
            script.push(operation);
        }
    }
    script.sort_by_key(|operation| match operation.verb {
        Verb::Unbind { .. } => 0,
        Verb::Bind { .. } => 2,
        _ => 1,
    });
    script
}

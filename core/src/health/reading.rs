//! The readings of a function, and the reasons for missing ones.

use core::fmt;
use core::time::Duration;

use heapless::Vec;

use crate::address::FunctionAddress;
use crate::capability::express::{DeviceControl, LinkSpeed};
use crate::capability::power_management::PowerState;
use crate::capability::serial_number::SerialNumber;
use crate::header::Identity;

/// The pauses after which Transactions Pending is read again before it counts. A healthy but busy function has pending
/// transactions at any moment. Linux waits as long before an FLR (`pci_wait_for_pending()`).
pub const PENDING_PAUSES: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
];

/// The number of separate counters on a path: a function, a root port and seven switches between them. [`count()`]
/// merges counters on a longer path.
pub const PATH: usize = 16;

/// The result of reading an aspect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Reading<T> {
    /// A value.
    Value(T),
    /// All-ones: the function does not answer.
    AllOnes,
    /// The function does not have it.
    None,
    /// It was not read.
    NotRead(NotRead),
}

impl<T> Reading<T> {
    /// The reading of an aspect that was never recorded.
    pub const fn not_recorded() -> Self {
        Self::NotRead(NotRead::NotRecorded)
    }
}

/// The reason why an aspect was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum NotRead {
    /// It was not attempted, or the function stopped answering before.
    Untried,
    /// The reader failed or hung.
    Failed,
    /// The machine forbids it (lockdown). No reset changes that.
    Forbidden,
    /// Firmware keeps it private (firmware-first error handling).
    FirmwareOwns,
    /// It is hidden by design (confidential computing).
    Opaque,
    /// No check is known: the function has no known register that identifies a working one.
    NoCheckKnown,
    /// It was not recorded: there is no baseline.
    NotRecorded,
}

impl fmt::Display for NotRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Untried => "the function did not answer",
            Self::Failed => "reading it failed",
            Self::Forbidden => "the kernel forbids reading it: lockdown, or its driver uses it",
            Self::FirmwareOwns => "firmware does not share it",
            Self::Opaque => "confidential computing hides it",
            Self::NoCheckKnown => "no register to read is known for this model",
            Self::NotRecorded => "it is not in a baseline",
        })
    }
}

impl NotRead {
    /// Returns true if no reset can make it readable.
    pub const fn lasting(self) -> bool {
        match self {
            Self::Untried | Self::Failed => false,
            Self::Forbidden | Self::FirmwareOwns | Self::Opaque | Self::NoCheckKnown | Self::NotRecorded => true,
        }
    }
}

/// The state of a function: the baseline if recorded while it was well; otherwise compared with the baseline.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Condition {
    /// Vendor ID and Device ID; for a virtual function, as its physical function reports them.
    pub identity: Reading<Identity>,
    /// The word at f0. It is unlikely to be virtualized, so it exposes a dead function behind a valid header.
    pub word_at_f0: Reading<u16>,
    /// The power state, from PMCSR.
    pub power: Reading<PowerState>,
    /// The BAR registers.
    pub bars: Reading<[u32; 6]>,
    /// The BARs' sizes as powers of two, 0 for no BAR. A reset clears the sizes of Resizable BARs.
    pub bar_sizes: Reading<[u8; 6]>,
    /// Command: Memory Space Enable.
    pub memory_decode: Reading<bool>,
    /// Device Control.
    pub device_control: Reading<DeviceControl>,
    /// Device Status: Transactions Pending. If set, it is read again after each of [`PENDING_PAUSES`], and the last
    /// value counts.
    pub transactions_pending: Reading<bool>,
    /// The link to the port above; none without such a port or link.
    pub link: Reading<LinkReading>,
    /// The uncorrectable errors counted so far by each function and port on the path.
    pub errors: Reading<Errors>,
    /// The bits of the vendor register that a reset preserves; none if a dead GPU shows only as all-ones. Functions
    /// that are not a GPU have no such register.
    pub vendor_register: Reading<u32>,
    /// The firmware's boot state, if the vendor defines a sign for it.
    pub boot: Reading<Boot>,
    /// The device's serial number. Records from before this field say that it was not recorded.
    #[cfg_attr(feature = "serde", serde(default = "Reading::not_recorded"))]
    pub serial_number: Reading<SerialNumber>,
}

impl Condition {
    /// A condition in which nothing has been read yet.
    pub const fn unread() -> Self {
        const UNTRIED: NotRead = NotRead::Untried;
        Self {
            identity: Reading::NotRead(UNTRIED),
            word_at_f0: Reading::NotRead(UNTRIED),
            power: Reading::NotRead(UNTRIED),
            bars: Reading::NotRead(UNTRIED),
            bar_sizes: Reading::NotRead(UNTRIED),
            memory_decode: Reading::NotRead(UNTRIED),
            device_control: Reading::NotRead(UNTRIED),
            transactions_pending: Reading::NotRead(UNTRIED),
            link: Reading::NotRead(UNTRIED),
            errors: Reading::NotRead(UNTRIED),
            vendor_register: Reading::NotRead(UNTRIED),
            boot: Reading::NotRead(UNTRIED),
            serial_number: Reading::NotRead(UNTRIED),
        }
    }
}

/// The state of a link, from its port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LinkReading {
    /// It is active.
    Active {
        /// The number of lanes.
        width: u8,
        /// The speed. An idle GPU lowers it.
        speed: LinkSpeed,
    },
    /// The port reports that the link is not active.
    Inactive,
}

/// The boot state of a function's firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Boot {
    /// The firmware has booted.
    Complete,
    /// Not booted within the time that the vendor allows.
    Incomplete,
}

/// The uncorrectable errors of a whole path. The link partner often counts them.
pub type Errors = Vec<ErrorsAt, PATH>;

/// Adds the next counter of a path; the first counter is that of the root port.
///
/// On a path with more than [`PATH`] counters, the first two neighbours that count since the same moment are merged, at
/// the address of the first. An error anywhere on the path still shows, and the function and its nearest ports stay
/// separate. Such a pair always exists: the ports that were removed are below those that were not.
pub fn count(errors: &mut Errors, next: ErrorsAt) {
    let Err(next) = errors.push(next) else { return };
    let mut summed = Errors::new();
    let mut has_room = false;
    for counted in errors.iter().copied().chain([next]) {
        match summed.last_mut() {
            Some(last) if !has_room && last.counter == counted.counter => {
                *last = last.and(counted);
                has_room = true;
            }
            _ => {
                let _fits = summed.push(counted);
            }
        }
    }
    *errors = summed;
}

/// The errors that one function or port counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ErrorsAt {
    /// The address of the function or port.
    pub at: FunctionAddress,
    /// The start of the count.
    pub counter: Counter,
    /// The number of fatal errors.
    pub fatal: u64,
    /// The number of non-fatal errors.
    pub non_fatal: u64,
}

/// The start of a count, relative to the counts that it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Counter {
    /// The counter existed before and continued.
    Continued,
    /// The counter started at zero since: the kernel removes a function's counters with the function.
    Anew,
}

impl ErrorsAt {
    /// Adds the counts of both.
    const fn and(self, other: Self) -> Self {
        Self {
            fatal: self.fatal.saturating_add(other.fatal),
            non_fatal: self.non_fatal.saturating_add(other.non_fatal),
            ..self
        }
    }

    /// The errors since `before`; `None` if the two counts are inconsistent.
    pub(super) fn since(self, before: Option<Self>) -> Option<Self> {
        let (fatal, non_fatal) = match (self.counter, before) {
            (Counter::Anew, _) => (self.fatal, self.non_fatal),
            (Counter::Continued, Some(before)) => (
                self.fatal.checked_sub(before.fatal)?,
                self.non_fatal.checked_sub(before.non_fatal)?,
            ),
            (Counter::Continued, None) => return None,
        };
        Some(Self {
            fatal,
            non_fatal,
            ..self
        })
    }
}

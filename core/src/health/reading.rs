//! What was read of a function, and how well.

use core::fmt;
use core::time::Duration;

use heapless::Vec;

use crate::address::FunctionAddress;
use crate::capability::express::{DeviceControl, LinkSpeed};
use crate::capability::power_management::PowerState;
use crate::capability::serial_number::SerialNumber;
use crate::header::Identity;

/// The pauses after which Transactions Pending is read again before it counts: a busy, healthy function has some at any
/// moment. Linux waits as long before an FLR (`pci_wait_for_pending()`).
pub const PENDING_PAUSES: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
];

/// The counters of a path that are kept apart: a function, a root port, seven switches between them. [`count()`] sums
/// those of a longer path.
pub const PATH: usize = 16;

/// What reading something brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Reading<T> {
    /// This.
    Value(T),
    /// All-ones: it does not answer.
    AllOnes,
    /// The function has no such thing.
    None,
    /// It was not read.
    NotRead(NotRead),
}

impl<T> Reading<T> {
    /// Nobody has recorded it.
    pub const fn not_recorded() -> Self {
        Self::NotRead(NotRead::NotRecorded)
    }
}

/// Why something was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum NotRead {
    /// Nobody tried, or the function did not answer before it came to that.
    Untried,
    /// The reader failed, or did not come back.
    Failed,
    /// The machine forbids it (lockdown): no reset will change that.
    Forbidden,
    /// Firmware keeps it to itself (error handling by firmware first).
    FirmwareOwns,
    /// It is opaque on purpose (confidential computing).
    Opaque,
    /// Nobody knows what to read: the function has nothing that tells a working one.
    NoCheckKnown,
    /// Nobody has recorded it: there is no baseline.
    NotRecorded,
}

impl fmt::Display for NotRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Untried => "the function did not answer",
            Self::Failed => "reading it failed",
            Self::Forbidden => "the kernel forbids to read it: lockdown, or its driver uses it",
            Self::FirmwareOwns => "firmware keeps it to itself",
            Self::Opaque => "confidential computing hides it",
            Self::NoCheckKnown => "nothing is known to read on this model",
            Self::NotRecorded => "it is not in a baseline",
        })
    }
}

impl NotRead {
    /// Whether another reset cannot make it readable.
    pub const fn lasting(self) -> bool {
        match self {
            Self::Untried | Self::Failed => false,
            Self::Forbidden | Self::FirmwareOwns | Self::Opaque | Self::NoCheckKnown | Self::NotRecorded => true,
        }
    }
}

/// What a function is like: recorded while it was well, it is the baseline; read now, it is held
/// against that.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Condition {
    /// Vendor ID and Device ID; of a virtual function, as its physical one gives them.
    pub identity: Reading<Identity>,
    /// The word at f0, which is unlikely to be virtualised: a dead function behind a good header
    /// shows there.
    pub word_at_f0: Reading<u16>,
    /// PMCSR's state.
    pub power: Reading<PowerState>,
    /// The BAR registers.
    pub bars: Reading<[u32; 6]>,
    /// The BARs' sizes as powers of two, 0 for none; Resizable BARs lose theirs on a reset.
    pub bar_sizes: Reading<[u8; 6]>,
    /// Command: Memory Space Enable.
    pub memory_decode: Reading<bool>,
    /// Device Control.
    pub device_control: Reading<DeviceControl>,
    /// Device Status: Transactions Pending, at the last of the reads after [`PENDING_PAUSES`] if at the first.
    pub transactions_pending: Reading<bool>,
    /// The link to the port above; none where there is no port, or no link to it.
    pub link: Reading<LinkReading>,
    /// Uncorrectable errors, counted by each function and port on the path: the counts so far.
    pub errors: Reading<Errors>,
    /// The bits that a reset keeps of the vendor's register that tells a working GPU: none where only all-ones tells a dead
    /// one. No register of a function that is no GPU itself.
    pub vendor_register: Reading<u32>,
    /// Whether the function's firmware has booted, where the vendor says how to tell.
    pub boot: Reading<Boot>,
    /// The device's serial number. Records from before it was kept say that it was not recorded.
    #[cfg_attr(feature = "serde", serde(default = "Reading::not_recorded"))]
    pub serial_number: Reading<SerialNumber>,
}

impl Condition {
    /// One in which nothing was read yet.
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

/// A link as its port has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LinkReading {
    /// It is active.
    Active {
        /// Its lanes.
        width: u8,
        /// Its speed, which an idle GPU lowers.
        speed: LinkSpeed,
    },
    /// The port says that it is not.
    Inactive,
}

/// Whether a function's firmware has booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Boot {
    /// It has.
    Complete,
    /// It has not, after the time that the vendor gives it.
    Incomplete,
}

/// Uncorrectable errors of a whole path. Errors often count at the link partner.
pub type Errors = Vec<ErrorsAt, PATH>;

/// Adds the next counter of a path, whose first is the root port's.
///
/// Where a path has more than [`PATH`] of them, the first two neighbours that count since the same moment become one, at
/// the address of the first. So an error anywhere still shows, and the function and its nearest ports stay apart. There is
/// such a pair: the ports that were removed lie below those that were not.
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

/// What one function or port has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ErrorsAt {
    /// Which.
    pub at: FunctionAddress,
    /// Since when it counts.
    pub counter: Counter,
    /// Fatal ones.
    pub fatal: u64,
    /// Non-fatal ones.
    pub non_fatal: u64,
}

/// Since when a counter counts, as seen from the counts that it is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Counter {
    /// It was there before and went on.
    Continued,
    /// It began at zero since: the kernel's counters go with a function that is removed.
    Anew,
}

impl ErrorsAt {
    /// The counts of both.
    const fn and(self, other: Self) -> Self {
        Self {
            fatal: self.fatal.saturating_add(other.fatal),
            non_fatal: self.non_fatal.saturating_add(other.non_fatal),
            ..self
        }
    }

    /// What came since `before`; `None` where the two do not fit, so that nobody can say.
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

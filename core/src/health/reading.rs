//! What was read of a function, and how well.

use heapless::Vec;

use crate::address::FunctionAddress;
use crate::capability::express::{DeviceControl, LinkSpeed};
use crate::capability::power_management::PowerState;
use crate::header::Identity;

/// How many functions and ports a path can hold: a function, two switches, a root port, and room.
pub const PATH: usize = 8;

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
}

impl NotRead {
    /// Whether another reset cannot make it readable.
    pub const fn lasting(self) -> bool {
        match self {
            Self::Untried | Self::Failed => false,
            Self::Forbidden | Self::FirmwareOwns | Self::Opaque => true,
        }
    }
}

/// What a function is like: recorded while it was well, it is the baseline; read now, it is held
/// against that.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Observation {
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
    /// Device Status: Transactions Pending.
    pub transactions_pending: Reading<bool>,
    /// The link to the port above; none while it is not active.
    pub link: Reading<LinkReading>,
    /// Uncorrectable errors, counted by each function and port on the path.
    pub errors: Reading<Errors>,
    /// The vendor's register that tells a working function.
    pub vendor_register: Reading<u32>,
    /// Whether the function's firmware has booted, where the vendor says how to tell.
    pub boot: Reading<Boot>,
}

impl Observation {
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
        }
    }
}

/// A link as its port has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct LinkReading {
    /// Its lanes.
    pub width: u8,
    /// Its speed, which an idle GPU lowers.
    pub speed: LinkSpeed,
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

/// What one function or port has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ErrorsAt {
    /// Which.
    pub at: FunctionAddress,
    /// Fatal ones.
    pub fatal: u64,
    /// Non-fatal ones.
    pub non_fatal: u64,
}

impl ErrorsAt {
    /// What came since `before`. A count below the earlier one began anew: the kernel's counters go
    /// with a function that is removed.
    pub(super) const fn since(self, before: Self) -> Self {
        Self {
            at: self.at,
            fatal: grown(before.fatal, self.fatal),
            non_fatal: grown(before.non_fatal, self.non_fatal),
        }
    }
}

const fn grown(before: u64, now: u64) -> u64 {
    match now.checked_sub(before) {
        Some(new) => new,
        None => now,
    }
}

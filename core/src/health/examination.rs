//! The result of a comparison.

use core::fmt;

use heapless::Vec;

use super::{ErrorsAt, NotRead, PATH};
use crate::capability::express::{LinkSpeed, PayloadSize};
use crate::capability::power_management::PowerState;
use crate::capability::serial_number::SerialNumber;
use crate::decision::Sickness;
use crate::header::Identity;

/// An aspect of a function's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u16)]
pub enum Aspect {
    /// Vendor ID and Device ID.
    Identity = 1 << 0,
    /// The word at f0.
    WordAtF0 = 1 << 1,
    /// The power state.
    Power = 1 << 2,
    /// The BAR registers.
    Bars = 1 << 3,
    /// The sizes of the BARs.
    BarSizes = 1 << 4,
    /// Memory Space Enable.
    MemoryDecode = 1 << 5,
    /// Device Control.
    DeviceControl = 1 << 6,
    /// Transactions Pending.
    Transactions = 1 << 7,
    /// The link.
    Link = 1 << 8,
    /// Errors on the path.
    Errors = 1 << 9,
    /// The vendor register.
    VendorRegister = 1 << 10,
    /// The state of the function's firmware: booted or not.
    Boot = 1 << 11,
    /// The device's serial number.
    SerialNumber = 1 << 12,
}

impl Aspect {
    /// All aspects.
    pub const ALL: [Self; 13] = [
        Self::Identity,
        Self::WordAtF0,
        Self::Power,
        Self::Bars,
        Self::BarSizes,
        Self::MemoryDecode,
        Self::DeviceControl,
        Self::Transactions,
        Self::Link,
        Self::Errors,
        Self::VendorRegister,
        Self::Boot,
        Self::SerialNumber,
    ];
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "identity",
            Self::WordAtF0 => "word at f0",
            Self::Power => "power state",
            Self::Bars => "BARs",
            Self::BarSizes => "BAR sizes",
            Self::MemoryDecode => "memory decode",
            Self::DeviceControl => "device control",
            Self::Transactions => "transactions",
            Self::Link => "link",
            Self::Errors => "errors on the path",
            Self::VendorRegister => "vendor register",
            Self::Boot => "firmware boot",
            Self::SerialNumber => "serial number",
        })
    }
}

/// A set of aspects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Aspects(u16);

impl Aspects {
    /// The empty set.
    pub const fn none() -> Self {
        Self(0)
    }

    /// Returns the set with `aspect` added.
    #[must_use]
    pub const fn with(self, aspect: Aspect) -> Self {
        Self(self.0 | aspect as u16)
    }

    /// Returns true if `aspect` is in the set.
    pub const fn contains(self, aspect: Aspect) -> bool {
        self.0 & aspect as u16 != 0
    }

    /// Returns true if the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The union of both sets.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The aspects in this set but not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The aspects in the set, in the order of [`Aspect::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Aspect> {
        Aspect::ALL.into_iter().filter(move |aspect| self.contains(*aspect))
    }
}

impl FromIterator<Aspect> for Aspects {
    fn from_iter<I: IntoIterator<Item = Aspect>>(aspects: I) -> Self {
        aspects.into_iter().fold(Self::none(), Self::with)
    }
}

impl fmt::Display for Aspects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for aspect in self.iter() {
            write!(f, "{separator}{aspect}")?;
            separator = ", ";
        }
        Ok(())
    }
}

/// A problem that a comparison found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Finding {
    /// An aspect with a value in the baseline reads all-ones.
    AllOnes(Aspect),
    /// An aspect with a value in the baseline no longer exists.
    Gone(Aspect),
    /// Another function is at this address.
    OtherIdentity(Identity),
    /// The function is not in D0.
    NotInD0(PowerState),
    /// A BAR that had an address has lost it.
    BarLost {
        /// The number of the BAR's register.
        bar: u8,
    },
    /// A BAR has another kind than in the baseline.
    BarChanged {
        /// The number of the BAR's register.
        bar: u8,
    },
    /// A BAR has another size than in the baseline.
    BarResized {
        /// The number of the BAR's register.
        bar: u8,
        /// The size in the baseline, as a power of two.
        was: u8,
        /// The current size, as a power of two.
        is: u8,
    },
    /// Memory decoding was on in the baseline and is off.
    MemoryDecodeOff,
    /// `Max_Payload_Size` differs from the baseline: its packets do not match the setting of the path.
    PayloadSizeChanged {
        /// The size in the baseline.
        was: PayloadSize,
        /// The current size.
        is: PayloadSize,
    },
    /// Transactions are pending.
    TransactionsPending,
    /// The port reports that the link is not active.
    LinkInactive,
    /// The link has fewer lanes than in the baseline.
    LinkNarrower {
        /// The lanes in the baseline.
        was: u8,
        /// The current lanes.
        is: u8,
    },
    /// New non-fatal or fatal errors on the path.
    NewErrors(ErrorsAt),
    /// The vendor register differs from the baseline.
    VendorRegister {
        /// The value in the baseline.
        was: u32,
        /// The current value.
        is: u32,
    },
    /// The function's firmware has not booted.
    BootIncomplete,
    /// The device has another serial number: it is another GPU.
    OtherSerialNumber {
        /// The serial number in the baseline.
        was: SerialNumber,
        /// The current serial number.
        is: SerialNumber,
    },
}

impl Finding {
    /// The aspect that the finding is about.
    pub const fn aspect(self) -> Aspect {
        match self {
            Self::AllOnes(aspect) | Self::Gone(aspect) => aspect,
            Self::OtherIdentity(_) => Aspect::Identity,
            Self::NotInD0(_) => Aspect::Power,
            Self::BarLost { .. } | Self::BarChanged { .. } => Aspect::Bars,
            Self::BarResized { .. } => Aspect::BarSizes,
            Self::MemoryDecodeOff => Aspect::MemoryDecode,
            Self::PayloadSizeChanged { .. } => Aspect::DeviceControl,
            Self::TransactionsPending => Aspect::Transactions,
            Self::LinkInactive | Self::LinkNarrower { .. } => Aspect::Link,
            Self::NewErrors(_) => Aspect::Errors,
            Self::VendorRegister { .. } => Aspect::VendorRegister,
            Self::BootIncomplete => Aspect::Boot,
            Self::OtherSerialNumber { .. } => Aspect::SerialNumber,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllOnes(aspect) => write!(f, "{aspect}: all-ones"),
            Self::Gone(aspect) => write!(f, "{aspect}: gone"),
            Self::OtherIdentity(identity) => write!(f, "another function stands here: {identity}"),
            Self::NotInD0(state) => write!(f, "in {state:?}, not in D0"),
            Self::BarLost { bar } => write!(f, "BAR {bar} has lost its address"),
            Self::BarChanged { bar } => write!(f, "BAR {bar} is of another kind than it was"),
            Self::BarResized { bar, was, is } => write!(f, "BAR {bar} had 2^{was} bytes and has 2^{is}"),
            Self::MemoryDecodeOff => f.write_str("does not decode memory any more"),
            Self::PayloadSizeChanged { was, is } => write!(f, "payload size was {was:?} and is {is:?}"),
            Self::TransactionsPending => f.write_str("transactions pending"),
            Self::LinkInactive => f.write_str("link not active"),
            Self::LinkNarrower { was, is } => write!(f, "link had {was} lanes and has {is}"),
            Self::NewErrors(ErrorsAt {
                at, fatal, non_fatal, ..
            }) => {
                write!(f, "{fatal} new fatal and {non_fatal} new non-fatal errors at {at}")
            }
            Self::VendorRegister { was, is } => write!(f, "vendor register was {was:#010x} and is {is:#010x}"),
            Self::BootIncomplete => f.write_str("its firmware has not booted"),
            Self::OtherSerialNumber { was, is } => {
                write!(f, "another GPU: its serial number was {was} and is {is}")
            }
        }
    }
}

/// A harmless difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Note {
    /// The link is slower than in the baseline. Idle GPUs lower their link speed.
    LinkSlower {
        /// The speed in the baseline.
        was: LinkSpeed,
        /// The current speed.
        is: LinkSpeed,
    },
    /// A BAR has another address. An enumeration may assign one.
    BarMoved {
        /// The number of the BAR's register.
        bar: u8,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LinkSlower { was, is } => write!(f, "link was at {was} and is at {is}, as when idle"),
            Self::BarMoved { bar } => write!(f, "BAR {bar} has moved"),
        }
    }
}

/// The full result of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Examination {
    /// The problems: at most one for each aspect, for BARs one for each register, for errors one for each place on the
    /// path.
    pub findings: Vec<Finding, { 10 + 6 + 6 + PATH }>,
    /// The aspects that could not be compared.
    pub missing: Aspects,
    /// The reason why each of them is missing.
    pub reasons: Vec<(Aspect, NotRead), { Aspect::ALL.len() }>,
    /// The missing aspects that no reset will make readable.
    pub lasting: Aspects,
    /// The harmless differences.
    pub notes: Vec<Note, { 1 + 6 }>,
}

impl Examination {
    /// The aspects that are missing for this reason.
    pub fn missing_for(&self, reason: NotRead) -> Aspects {
        let reasons = self.reasons.iter();
        reasons
            .filter(|(_, why)| *why == reason)
            .map(|(aspect, _)| *aspect)
            .collect()
    }

    /// The verdict. One finding outweighs everything that is missing.
    pub fn verdict(&self) -> Verdict {
        if !self.findings.is_empty() {
            Verdict::Sick(self.findings.iter().map(|finding| finding.aspect()).collect())
        } else if self.missing.is_empty() {
            Verdict::Verified
        } else {
            Verdict::Unverified {
                missing: self.missing,
                lasting: self.lasting,
            }
        }
    }
}

/// The verdict of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Verdict {
    /// Every aspect was compared, and none is wrong.
    Verified,
    /// No aspect is wrong, but not all were compared. Not recovered.
    Unverified {
        /// The aspects that were not compared.
        missing: Aspects,
        /// The missing aspects that no reset will make readable.
        lasting: Aspects,
    },
    /// These aspects are wrong.
    Sick(Aspects),
}

impl Verdict {
    /// The combined verdict on two functions: the worse of the two, with everything that is wrong or missing in either.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Sick(one), Self::Sick(other)) => Self::Sick(one.or(other)),
            (Self::Sick(wrong), _) | (_, Self::Sick(wrong)) => Self::Sick(wrong),
            (
                Self::Unverified { missing, lasting },
                Self::Unverified {
                    missing: other_missing,
                    lasting: other_lasting,
                },
            ) => {
                // An aspect that another reset may make readable in one function counts as readable for both.
                let passing = missing.without(lasting).or(other_missing.without(other_lasting));
                let missing = missing.or(other_missing);
                let lasting = missing.without(passing);
                Self::Unverified { missing, lasting }
            }
            (unverified @ Self::Unverified { .. }, Self::Verified)
            | (Self::Verified, unverified @ Self::Unverified { .. }) => unverified,
            (Self::Verified, Self::Verified) => Self::Verified,
        }
    }

    /// The problems of the function, in the rule's terms.
    pub const fn sickness(self) -> Sickness {
        match self {
            Self::Verified | Self::Unverified { .. } => Sickness::new(),
            Self::Sick(wrong) => Sickness::new()
                .with_vendor_register(
                    wrong.contains(Aspect::VendorRegister)
                        || wrong.contains(Aspect::Boot)
                        // A dead function behind a valid header.
                        || wrong.contains(Aspect::WordAtF0),
                )
                .with_transactions_stuck(wrong.contains(Aspect::Transactions))
                .with_new_errors(wrong.contains(Aspect::Errors)),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verified => f.write_str("verified"),
            Self::Unverified { missing, .. } => write!(f, "unverified: {missing}"),
            Self::Sick(wrong) => write!(f, "sick: {wrong}"),
        }
    }
}

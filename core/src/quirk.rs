//! Known properties of single models that the function itself does not report, as data.
//!
//! Each row states its models, effect, source and confidence. A row with [`Confidence::Reported`] only warns; all
//! others decide.
//!
//! | table | content |
//! | --- | --- |
//! | [`RESETS`] | the resets that a model does not survive, ignores or needs |
//! | [`FABRICS`] | the connector by which fabric links can join a model to others |
//! | [`SWITCHES`] | the switches that are part of a card |
//! | [`SUSPENDS`] | the models that suspend to RAM recovers |

mod fabrics;
mod resets;
mod suspends;
mod switches;

use core::fmt;

pub use self::fabrics::FABRICS;
pub use self::resets::RESETS;
pub use self::suspends::{SUSPENDS, revived_by_suspend};
pub use self::switches::SWITCHES;

use crate::header::{ClassCode, Identity};

/// A row: a known property of some models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Quirk {
    /// The models that the row applies to.
    pub models: Models,
    /// The property.
    pub effect: Effect,
    /// The source.
    pub source: Source,
    /// The confidence in the source.
    pub confidence: Confidence,
    /// The models' name, and notes for the reader.
    pub about: &'static str,
}

impl Quirk {
    /// Returns true if the row applies to this function.
    pub fn is_about(&self, subject: &Subject) -> bool {
        self.models.contains(subject)
    }
}

/// The properties of a function that select its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Subject {
    /// Vendor ID and Device ID.
    pub identity: Identity,
    /// Class Code.
    pub class: ClassCode,
    /// The function is on a root bus, with no bridge above.
    pub on_root_bus: bool,
}

/// A row's models. All conditions must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Models {
    /// Vendor ID.
    pub vendor: u16,
    /// Device IDs.
    pub devices: Devices,
    /// A further condition on the function.
    pub only: Only,
}

impl Models {
    const fn new(vendor: u16, devices: Devices) -> Self {
        Self {
            vendor,
            devices,
            only: Only::All,
        }
    }

    fn contains(&self, subject: &Subject) -> bool {
        let device = subject.identity.device;
        self.vendor == subject.identity.vendor
            && match self.devices {
                Devices::Any => true,
                Devices::Masked { mask, value } => device & mask == value,
                Devices::OneOf(devices) => devices.contains(&device),
            }
            && match self.only {
                Only::All => true,
                Only::VgaOffRootBus => subject.class.is_vga_controller() && !subject.on_root_bus,
                Only::Bridges => subject.class.is_pci_bridge(),
            }
    }
}

/// A set of Device IDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Devices {
    /// All Device IDs of the vendor.
    Any,
    /// The Device IDs whose bits under `mask` equal `value`.
    Masked {
        /// The bits to compare.
        mask: u16,
        /// Their value.
        value: u16,
    },
    /// These Device IDs.
    OneOf(&'static [u16]),
}

/// The functions of a model that a row applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Only {
    /// All functions.
    All,
    /// VGA controllers with a bridge above: integrated graphics are on the root bus.
    VgaOffRootBus,
    /// Bridges between PCI buses, including every port.
    Bridges,
}

/// The property that a row states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Effect {
    /// Does not return from a secondary bus reset; for a port, the functions below do not.
    NoBusReset,
    /// Hangs after FLR.
    NoFlr,
    /// Advertises a D3hot→D0 reset that has no effect.
    NoPowerManagementReset,
    /// No standard reset reaches all of it, but a vendor-specific reset does.
    NeedsVendorReset,
    /// May not return from FLR.
    FlrMayNotReturn,
    /// May read all-ones after any reset.
    AbsentAfterReset,
    /// Fabric links on its base board may join it to others, and a reset then reaches them.
    Fabric,
    /// A bridge can join it to other boards of its machine, and a reset then reaches them.
    FabricBridge,
    /// Joins other functions by their fabric links.
    FabricSwitch,
    /// Has no fabric links.
    NoFabric,
    /// Suspend to RAM recovers it when no reset does.
    SuspendRevives,
    /// A switch that is part of the card below it.
    InternalSwitch,
    /// Is sold only on boards with their own switch, whose ID is the same as that of a server's switch.
    BoardWithSwitch,
}

/// The source of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Source {
    /// Linux 6.12.117.
    Linux,
    /// A Linux newer than that.
    NewerLinux,
    /// The vendor's documentation.
    VendorDocumentation,
    /// The vendor-reset module, which is not part of Linux.
    VendorReset,
    /// Listings of real machines.
    Machines,
    /// Reports of users.
    Reports,
}

/// The confidence in a row's source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Confidence {
    /// The kernel acts on it.
    Kernel,
    /// The vendor documents it.
    Vendor,
    /// It was read from real machines.
    Observed,
    /// Some users report it, and others may report the opposite: it only warns.
    Reported,
}

impl Confidence {
    /// Returns true if it may forbid a reset or define a domain.
    pub const fn decides(self) -> bool {
        match self {
            Self::Kernel | Self::Vendor | Self::Observed => true,
            Self::Reported => false,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Linux => "Linux",
            Self::NewerLinux => "a newer Linux",
            Self::VendorDocumentation => "the vendor's documentation",
            Self::VendorReset => "the vendor-reset module",
            Self::Machines => "real machines",
            Self::Reports => "users",
        })
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kernel => "acted on by the kernel",
            Self::Vendor => "stated by the vendor",
            Self::Observed => "observed",
            Self::Reported => "reported",
        })
    }
}

/// Returns the rows of all tables that apply to a function.
pub fn about(subject: Subject) -> impl Iterator<Item = &'static Quirk> {
    let tables = RESETS.iter().chain(FABRICS).chain(SWITCHES);
    tables.filter(move |quirk| quirk.is_about(&subject))
}

/// Returns the first deciding row of `table` with `effect` for a function.
pub(crate) fn decided<'t>(table: &'t [Quirk], subject: &Subject, effect: Effect) -> Option<&'t Quirk> {
    table
        .iter()
        .find(|quirk| quirk.effect == effect && quirk.confidence.decides() && quirk.is_about(subject))
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoBusReset => "does not survive a secondary bus reset",
            Self::NoFlr => "hangs from FLR",
            Self::NoPowerManagementReset => "claims a D3hot→D0 reset that does nothing",
            Self::NeedsVendorReset => "needs a reset of the vendor's own",
            Self::FlrMayNotReturn => "may not come back from FLR",
            Self::AbsentAfterReset => "may read all-ones after any reset",
            Self::Fabric => "may be joined to others by fabric links",
            Self::FabricBridge => "can be joined to other boards by a bridge",
            Self::FabricSwitch => "joins others by their fabric links",
            Self::NoFabric => "has no fabric links",
            Self::SuspendRevives => "recovers by suspend to RAM",
            Self::InternalSwitch => "is a switch of the card below it",
            Self::BoardWithSwitch => "is sold only on boards with a switch of their own",
        })
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    const ALL: [Effect; 13] = [
        Effect::NoBusReset,
        Effect::NoFlr,
        Effect::NoPowerManagementReset,
        Effect::NeedsVendorReset,
        Effect::FlrMayNotReturn,
        Effect::AbsentAfterReset,
        Effect::Fabric,
        Effect::FabricBridge,
        Effect::FabricSwitch,
        Effect::NoFabric,
        Effect::SuspendRevives,
        Effect::InternalSwitch,
        Effect::BoardWithSwitch,
    ];

    fn subject(identity: &str, class: &str) -> Subject {
        Subject {
            identity: identity.parse().unwrap(),
            class: class.parse().unwrap(),
            on_root_bus: false,
        }
    }

    fn effects(identity: &str, class: &str) -> Vec<Effect> {
        let rows = about(subject(identity, class));
        rows.map(|quirk| quirk.effect).collect()
    }

    #[test]
    fn masks_end_where_they_ought_to() {
        for (identity, forbidden) in [
            ("10de:233f", false),
            ("10de:2340", true),
            ("10de:237f", true),
            ("10de:2380", false),
            ("10de:2330", false),
            ("1002:2340", false),
        ] {
            let row = decided(RESETS, &subject(identity, "030200"), Effect::NoBusReset);
            assert_eq!(row.is_some(), forbidden, "{identity}");
        }
    }

    #[test]
    fn the_same_device_id_of_two_vendors_is_two_models() {
        for (identity, source) in [
            ("1022:1502", Some(Source::NewerLinux)),
            ("8086:1502", Some(Source::Linux)),
            ("10de:1502", None),
        ] {
            let row = decided(RESETS, &subject(identity, "020000"), Effect::NoFlr);
            assert_eq!(row.map(|quirk| quirk.source), source, "{identity}");
        }
    }

    #[test]
    fn integrated_graphics_keep_their_power_management_reset() {
        let card = subject("1002:744c", "030000");
        let integrated = Subject {
            on_root_bus: true,
            ..card
        };
        let accelerator = subject("1002:744c", "120000");
        let effect = Effect::NoPowerManagementReset;
        assert!(decided(RESETS, &card, effect).is_some());
        assert!(decided(RESETS, &integrated, effect).is_none());
        assert!(decided(RESETS, &accelerator, effect).is_none());
    }

    #[test]
    fn reported_rows_decide_nothing() {
        for row in RESETS.iter().chain(FABRICS).chain(SWITCHES) {
            let reported = [Quirk {
                confidence: Confidence::Reported,
                ..*row
            }];
            let identity = Identity {
                vendor: row.models.vendor,
                device: match row.models.devices {
                    Devices::Any => 0x1234,
                    Devices::Masked { value, .. } => value,
                    Devices::OneOf(devices) => devices[0],
                },
            };
            let class = match row.models.only {
                Only::Bridges => "060400",
                Only::All | Only::VgaOffRootBus => "030000",
            };
            let subject = Subject {
                identity,
                class: class.parse().unwrap(),
                on_root_bus: false,
            };
            assert!(row.is_about(&subject), "{row:?}");
            assert_eq!(
                decided(&[*row], &subject, row.effect).is_some(),
                row.confidence.decides(),
                "{row:?}"
            );
            for effect in ALL {
                assert_eq!(decided(&reported, &subject, effect), None, "{row:?}");
            }
        }
    }

    #[test]
    fn users_and_out_of_tree_modules_only_report() {
        for row in RESETS.iter().chain(FABRICS).chain(SWITCHES) {
            let hearsay = matches!(row.source, Source::Reports | Source::VendorReset);
            assert!(!hearsay || row.confidence == Confidence::Reported, "{row:?}");
        }
    }

    #[test]
    fn no_model_has_contradictory_fabric_rows() {
        for row in FABRICS.iter().filter(|row| row.effect == Effect::NoFabric) {
            let Devices::OneOf(devices) = row.models.devices else {
                panic!("a model without a fabric has a name: {row:?}");
            };
            for device in devices {
                let identity = Identity {
                    vendor: row.models.vendor,
                    device: *device,
                };
                let subject = Subject {
                    identity,
                    class: "030200".parse().unwrap(),
                    on_root_bus: false,
                };
                assert_eq!(decided(FABRICS, &subject, Effect::Fabric), None, "{identity}");
            }
        }
    }

    #[test]
    fn rows_of_all_tables_are_found() {
        assert_eq!(effects("10de:2489", "030000"), []);
        assert_eq!(effects("10de:2b85", "030000"), [Effect::FlrMayNotReturn]);
        assert_eq!(
            effects("1002:74a1", "120000"),
            [Effect::AbsentAfterReset, Effect::Fabric]
        );
        assert_eq!(
            effects("1002:1478", "060400"),
            [Effect::InternalSwitch],
            "not a VGA controller"
        );
    }
}

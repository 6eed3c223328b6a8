//! Facts out of a fuzzer's bytes.

use reseat_core::decision::{
    Answer, Availability, Bmc, BusReset, ClassHistory, Exclusivity, Facts, FlrReach, Known, OwnMeans, Preference,
    Reported, Rung, Sickness, SlotPower, Surroundings, Tdi, Use,
};
use reseat_core::presence::PortLink;
use reseat_core::topology::Fabric;
use reseat_core::topology::function::HotplugOwner;

pub(crate) const LINKS: [PortLink; 4] = [
    PortLink::Active,
    PortLink::Inactive,
    PortLink::NotReported,
    PortLink::Unreadable,
];
const EXCLUSIVITIES: [Exclusivity; 3] = [Exclusivity::Exclusive, Exclusivity::Shared, Exclusivity::Unknown];
const AVAILABILITIES: [Availability; 3] = [
    Availability::Available,
    Availability::Unavailable,
    Availability::Unknown,
];
const HISTORIES: [ClassHistory; 3] = [ClassHistory::Unknown, ClassHistory::Good, ClassHistory::Bad];

/// The fuzzer's bytes, one after the other; zeros follow where they end.
pub(crate) struct Input<'a> {
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) fn byte(&mut self) -> u8 {
        match self.bytes {
            [first, rest @ ..] => {
                self.bytes = rest;
                *first
            }
            [] => 0,
        }
    }

    pub(crate) fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[usize::from(self.byte()) % values.len()]
    }

    pub(crate) fn facts(&mut self) -> Facts {
        Facts {
            surroundings: Surroundings {
                fabric: self.pick(&[Fabric::None, Fabric::Peers, Fabric::Unknown]),
                exclusivity: self.pick(&EXCLUSIVITIES),
                hotplug: self.pick(&[
                    HotplugOwner::Os,
                    HotplugOwner::Firmware,
                    HotplugOwner::Acpi,
                    HotplugOwner::Nobody,
                    HotplugOwner::Unknown,
                ]),
                link: self.pick(&LINKS),
                answer: self.pick(&[
                    Answer::Ready,
                    Answer::Half,
                    Answer::Absent,
                    Answer::NotReady,
                    Answer::Unknown,
                ]),
                flr: self.pick(&AVAILABILITIES),
                flr_reach: self.pick(&[FlrReach::All, FlrReach::LeavesSome]),
                pm: self.pick(&AVAILABILITIES),
                secondary_bus_reset: self.pick(&AVAILABILITIES),
                bus_reset: self.pick(&[
                    BusReset::Allowed,
                    BusReset::ForbiddenAtChild,
                    BusReset::ForbiddenAtPort,
                    BusReset::Unknown,
                ]),
                slot_power: match self.byte() % 5 {
                    0 => SlotPower::None,
                    1 => SlotPower::Unknown,
                    other => SlotPower::Controller {
                        domain: EXCLUSIVITIES[usize::from(other) - 2],
                    },
                },
                not_exclusive: None,
                reported: Reported {
                    flr: self.byte() >= 128,
                    bus_reset: self.byte() >= 128,
                    vendor_reset: self.byte() >= 128,
                },
            },
            known: Known {
                usage: self.pick(&[Use::Free, Use::Free, Use::Used, Use::Unknown]),
                tdi: self.pick(&[Tdi::Unlocked, Tdi::Unlocked, Tdi::Locked]),
                bmc: match self.byte() % 4 {
                    0 => Bmc::NotConfigured,
                    other => Bmc::Configured {
                        domain: EXCLUSIVITIES[usize::from(other) - 1],
                    },
                },
                reset_class: self.pick(&HISTORIES),
                in_place: self.pick(&HISTORIES),
                in_place_shows: self.byte() < 128,
                own_means: OwnMeans {
                    device_specific: self.pick(&AVAILABILITIES),
                    acpi: self.pick(&AVAILABILITIES),
                },
                sickness: Sickness::from_bits(self.byte()),
                preference: self.pick(&[Preference::Rule, Preference::Flr, Preference::Sbr]),
                highest: self.pick(&Rung::ALL),
                only: (self.byte() >= 192).then(|| self.pick(&Rung::ALL)),
            },
        }
    }
}

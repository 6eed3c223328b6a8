//! Models that suspend to RAM recovers when no reset does: the firmware cuts their power during the suspend.
//!
//! The source is reports of owners. No reset decision depends on them, and no warning before a reset.

use super::{Confidence, Devices, Effect, Models, Quirk, Source, Subject};

/// Reports of owners.
pub const SUSPENDS: &[Quirk] = &[
    reported(&[0x73bf], "RX 6800, 6800 XT and 6900 XT (Navi 21)"),
    reported(&[0x7550], "RX 9070 and 9070 XT (Navi 48)"),
    reported(&[0x7590], "RX 9060 XT (Navi 44)"),
];

const fn reported(devices: &'static [u16], about: &'static str) -> Quirk {
    Quirk {
        models: Models::new(0x1002, Devices::OneOf(devices)),
        effect: Effect::SuspendRevives,
        source: Source::Reports,
        confidence: Confidence::Reported,
        about,
    }
}

/// Returns the row that states that suspend to RAM recovers this function, if any.
pub fn revived_by_suspend(subject: &Subject) -> Option<&'static Quirk> {
    SUSPENDS.iter().find(|quirk| quirk.is_about(subject))
}

//! Warnings before a reset: what is reported of the models in the reset domain, and what does not fit together there.

use reseat_core::address::FunctionAddress;
use reseat_core::quirk::{Confidence, Effect, Source};
use reseat_core::topology::Place;
use reseat_core::topology::anomaly::{Anomaly, Doubt};
use reseat_core::topology::warning::Warning;

use crate::model::finding::{Finding, Subject, id};

/// The warnings about all that is hit by a reset at the card root of a function, the root itself included. Where there is no
/// such reset, those about the function.
pub(crate) fn of_reset_domain(place: Place<'_>) -> Vec<Finding> {
    let (models, doubts): (Vec<Warning>, Vec<Option<Doubt>>) = match place.card() {
        Ok(domain) => {
            let concerned = domain.hits().chain(domain.port());
            (domain.warnings().collect(), concerned.map(Place::doubt).collect())
        }
        Err(_) => (place.warnings().collect(), vec![place.doubt()]),
    };
    let mut doubts: Vec<Doubt> = doubts.into_iter().flatten().collect();
    doubts.sort_by_key(|doubt| doubt.address);
    doubts.dedup();
    let doubts = doubts.into_iter().map(|doubt| of_anomaly(doubt.address, doubt.anomaly));
    models.into_iter().map(of_model).chain(doubts).collect()
}

fn of_model(warning: Warning) -> Finding {
    let of = |id| Finding::warning(id, Subject::function(warning.address));
    let finding = match warning.effect {
        Effect::FlrMayNotReturn => of(id::FLR_MAY_NOT_RETURN),
        Effect::AbsentAfterReset => of(id::ABSENT_AFTER_RESET),
        Effect::NeedsVendorReset => of(id::NEEDS_VENDOR_RESET),
        other => of(id::MODEL_REPORTED).with("effect", other),
    };
    finding
        .with("model", warning.subject.identity)
        .with("about", warning.quirk().map_or("", |quirk| quirk.about))
        .with("source", source(warning.source))
        .with("confidence", confidence(warning.confidence))
}

fn of_anomaly(at: FunctionAddress, anomaly: Anomaly) -> Finding {
    Finding::warning(id::RESET_DOMAIN_UNCERTAIN, Subject::function(at))
        .with("anomaly", name(anomaly))
        .with("detail", anomaly)
}

const fn source(source: Source) -> &'static str {
    match source {
        Source::Linux => "linux",
        Source::NewerLinux => "newer-linux",
        Source::VendorDocumentation => "vendor-documentation",
        Source::VendorReset => "vendor-reset-module",
        Source::Machines => "machines",
        Source::Reports => "reports",
    }
}

const fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Kernel => "kernel",
        Confidence::Vendor => "vendor",
        Confidence::Observed => "observed",
        Confidence::Reported => "reported",
    }
}

const fn name(anomaly: Anomaly) -> &'static str {
    match anomaly {
        Anomaly::RoleUnknown => "role-unknown",
        Anomaly::BusesUnknown => "buses-unknown",
        Anomaly::BusesInverted { .. } => "buses-inverted",
        Anomaly::BusesBackward { .. } => "buses-backward",
        Anomaly::BusClaimedTwice(_) => "bus-claimed-twice",
        Anomaly::BusesOverlap(_) => "buses-overlap",
        Anomaly::BusesOutside(_) => "buses-outside",
        Anomaly::NoBridge => "no-bridge",
        Anomaly::PhysicalFunctionMissing(_) => "physical-function-missing",
        Anomaly::VirtualFunctionElsewhere(_) => "virtual-function-elsewhere",
        Anomaly::VirtualFunctionsUnknown => "virtual-functions-unknown",
        Anomaly::VirtualFunctionsMissing { .. } => "virtual-functions-missing",
        Anomaly::FabricUnclear(_) => "fabric-unclear",
    }
}

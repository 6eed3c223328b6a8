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
    let (models, doubts): (Vec<Finding>, Vec<Option<Doubt>>) = match place.card() {
        Ok(domain) => {
            let concerned: Vec<Place<'_>> = domain.hits().chain(domain.port()).collect();
            let about = |at: FunctionAddress| concerned.iter().find(move |place| place.address() == at);
            let warnings = domain.warnings();
            let warnings = warnings.filter_map(|warning| of_model(about(warning.address)?, warning));
            (
                warnings.collect(),
                concerned.iter().map(|place| place.doubt()).collect(),
            )
        }
        Err(_) => (
            place
                .warnings()
                .filter_map(|warning| of_model(&place, warning))
                .collect(),
            vec![place.doubt()],
        ),
    };
    let mut doubts: Vec<Doubt> = doubts.into_iter().flatten().collect();
    doubts.sort_by_key(|doubt| doubt.address);
    doubts.dedup();
    let doubts = doubts.into_iter().map(of_anomaly);
    models.into_iter().chain(doubts).collect()
}

fn of_model(place: &Place<'_>, reported: Warning) -> Option<Finding> {
    let warning = |id| Finding::warning(id, Subject::function(place.address()));
    let finding = match reported.effect {
        Effect::FlrMayNotReturn => warning(id::FLR_MAY_NOT_RETURN),
        Effect::AbsentAfterReset => warning(id::ABSENT_AFTER_RESET),
        Effect::NeedsVendorReset => warning(id::NEEDS_VENDOR_RESET),
        other => warning(id::MODEL_REPORTED).with("effect", other),
    };
    let finding = finding.with("model", place.function().identity);
    let finding = finding.with("about", reported.quirk()?.about);
    Some(
        finding
            .with("source", source(reported.source))
            .with("confidence", confidence(reported.confidence)),
    )
}

fn of_anomaly(Doubt { address, anomaly }: Doubt) -> Finding {
    Finding::warning(id::RESET_DOMAIN_UNCERTAIN, Subject::function(address))
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

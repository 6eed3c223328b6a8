//! What is wrong with a function, as findings.

use reseat_core::address::FunctionAddress;
use reseat_core::health::{Examination, Finding as Fault};

use crate::model::finding::{Finding, Id, Subject, id};

/// The faults of a function.
pub(crate) fn faults(function: FunctionAddress, examination: &Examination) -> Vec<Finding> {
    let faults = examination.findings.iter();
    faults.map(|fault| finding(function, *fault)).collect()
}

/// The parts of a function's state that were not compared, with the reasons; nothing if all were.
pub(crate) fn missing(id: Id, function: FunctionAddress, examination: &Examination) -> Option<Finding> {
    let finding = Finding::warning(id, Subject::function(function)).with("aspects", examination.missing);
    (!examination.missing.is_empty()).then(|| finding.with("reasons", reasons(examination)))
}

/// What is missing by reason: `vendor register (reading it failed); errors on the path, boot (…)`.
fn reasons(examination: &Examination) -> String {
    let mut reasons: Vec<String> = Vec::new();
    for (aspect, reason) in &examination.reasons {
        let aspects = examination.missing_for(*reason);
        if aspects.iter().next() == Some(*aspect) {
            reasons.push(format!("{aspects} ({reason})"));
        }
    }
    reasons.join("; ")
}

fn finding(function: FunctionAddress, fault: Fault) -> Finding {
    let error = |id| Finding::error(id, Subject::function(function));
    match fault {
        Fault::AllOnes(aspect) => error(id::ALL_ONES).with("aspect", aspect),
        Fault::Gone(aspect) => error(id::ASPECT_GONE).with("aspect", aspect),
        Fault::OtherIdentity(identity) => error(id::OTHER_IDENTITY).with("identity", identity),
        Fault::NotInD0(state) => error(id::NOT_IN_D0).with("state", format!("{state:?}")),
        Fault::BarLost { bar } => error(id::BAR_LOST).with("bar", bar),
        Fault::BarChanged { bar } => error(id::BAR_CHANGED).with("bar", bar),
        Fault::BarResized { bar, was, is } => error(id::BAR_RESIZED)
            .with("bar", bar)
            .with("was_bytes", bytes(was))
            .with("is_bytes", bytes(is)),
        Fault::MemoryDecodeOff => error(id::MEMORY_DECODE_OFF),
        Fault::PayloadSizeChanged { was, is } => error(id::PAYLOAD_SIZE_CHANGED)
            .with("was", format!("{was:?}"))
            .with("is", format!("{is:?}")),
        Fault::TransactionsPending => error(id::TRANSACTIONS_PENDING),
        Fault::LinkInactive => error(id::LINK_INACTIVE),
        Fault::LinkNarrower { was, is } => error(id::LINK_NARROWER).with("was", was).with("is", is),
        Fault::NewErrors(new) => error(id::NEW_ERRORS)
            .with("at", new.at)
            .with("fatal", new.fatal)
            .with("non_fatal", new.non_fatal),
        Fault::VendorRegister { was, is } => error(id::VENDOR_REGISTER_CHANGED)
            .with("was", format!("{was:#010x}"))
            .with("is", format!("{is:#010x}")),
        Fault::BootIncomplete => error(id::FIRMWARE_NOT_BOOTED),
        Fault::OtherSerialNumber { was, is } => error(id::OTHER_SERIAL_NUMBER)
            .with("was", was)
            .with("is", is)
            .remedy(id::SAVE_BASELINE),
    }
}

/// A size that is kept as a power of two, 0 for none.
fn bytes(exponent: u8) -> u128 {
    match exponent {
        0 => 0,
        exponent => 1_u128.checked_shl(u32::from(exponent)).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use reseat_core::health::{Condition, NotRead, Reading, judge};

    use super::*;

    #[test]
    fn what_is_missing_is_named_with_its_reason() {
        let was = Condition::unread();
        let now = Condition {
            vendor_register: Reading::NotRead(NotRead::NoCheckKnown),
            ..Condition::unread()
        };
        let examination = judge(&was, &was.errors, &now);
        let function = "0000:01:00.0".parse().unwrap();
        let finding = missing(id::NOT_COMPARED, function, &examination).unwrap();
        let reasons = finding.evidence.get("reasons").unwrap();
        assert_eq!(
            reasons,
            "identity, word at f0, power state, BARs, BAR sizes, memory decode, device control, transactions, link, \
             errors on the path, firmware boot, serial number (the function did not answer); vendor register (no register to \
             read is known for this model)"
        );
        assert_eq!(missing(id::NOT_COMPARED, function, &Examination::default()), None);
    }

    #[test]
    fn another_serial_number_is_a_fault_that_names_both() {
        let condition = |number: &str| Condition {
            serial_number: Reading::Value(number.parse().unwrap()),
            ..Condition::unread()
        };
        let (was, is) = ("48-b0-2d-00-00-00-00-01", "48-b0-2d-00-00-00-00-02");
        let examination = judge(&condition(was), &Reading::not_recorded(), &condition(is));
        let found = faults("0000:01:00.0".parse().unwrap(), &examination);
        let facts = |name| found[0].evidence.get(name).unwrap();
        assert_eq!(found[0].id, id::OTHER_SERIAL_NUMBER);
        assert_eq!((facts("was"), facts("is")), (was, is));
    }
}

//! What is wrong with a function, as findings.

use reseat_core::address::FunctionAddress;
use reseat_core::health::{Aspects, Examination, Finding as Fault};

use crate::model::finding::{Finding, Subject, id};

/// The faults of a function.
pub(crate) fn faults(function: FunctionAddress, examination: &Examination) -> Vec<Finding> {
    let faults = examination.findings.iter();
    faults.map(|fault| finding(function, *fault)).collect()
}

/// The parts of a function's state that were not compared; nothing if all were.
pub(crate) fn not_compared(function: FunctionAddress, missing: Aspects) -> Option<Finding> {
    let finding = Finding::warning(id::NOT_COMPARED, Subject::function(function));
    (!missing.is_empty()).then(|| finding.with("aspects", missing))
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
    }
}

/// A size that is kept as a power of two, 0 for none.
fn bytes(exponent: u8) -> u128 {
    match exponent {
        0 => 0,
        exponent => 1_u128.checked_shl(u32::from(exponent)).unwrap_or_default(),
    }
}

//! What is left where no reset helped.

use reseat_core::recovery::{End, Quarantine, Reason};

use crate::rules::Reboot;

/// What an operator can do next, by what was agreed on; nothing where nothing is left to do.
pub fn advice(end: End, reboot: Option<Reboot>) -> Option<String> {
    let words = match end {
        End::Recovered { .. } => return None,
        End::Unverified { .. } => {
            "it is not handed on as recovered: see why something could not be compared (a baseline, lockdown, firmware \
             that keeps the error counters)"
                .to_owned()
        }
        End::Refused(_) => "nothing was reset".to_owned(),
        End::OutOfService { why, quarantine } => out_of_service(why, quarantine, reboot),
    };
    Some(words)
}

fn out_of_service(why: Reason, quarantine: Quarantine, reboot: Option<Reboot>) -> String {
    let left = match (why, reboot) {
        // Only a new kernel lets go of what holds the old one.
        (Reason::Stuck(_), Some(Reboot::WithoutReboot)) => {
            "the kernel holds it until the machine is rebooted, which the contract does not allow: it stays out of service"
        }
        (Reason::Stuck(_), _) => "left: drain the machine and reboot it",
        (Reason::Exhausted | Reason::Refused(_), Some(Reboot::WithoutReboot)) => {
            "left: power to its slot from outside (a BMC is not configured); the contract allows no reboot, so it stays out \
             of service"
        }
        (Reason::Exhausted | Reason::Refused(_), _) => {
            "left: power to its slot from outside (a BMC is not configured); else drain the machine and reboot it; else \
             switch the machine off and on, since a reboot need not take the power from a slot"
        }
    };
    let back = "; `reseat return-to-service` brings it back once it is well";
    match quarantine {
        Quarantine::Done => format!("{left}{back}"),
        Quarantine::Failed(_) => format!("keep everybody off it: it could not be taken out of service; {left}{back}"),
    }
}

#[cfg(test)]
mod tests {
    use reseat_core::decision::Rung;
    use reseat_core::recovery::Operation;

    use super::*;

    fn out(why: Reason, reboot: Option<Reboot>) -> String {
        let quarantine = Quarantine::Done;
        advice(End::OutOfService { why, quarantine }, reboot).unwrap()
    }

    #[test]
    fn a_reboot_is_advised_only_where_the_contract_allows_it() {
        for why in [Reason::Exhausted, Reason::Stuck(Operation::Release)] {
            assert!(out(why, None).contains("reboot it"));
            assert!(out(why, Some(Reboot::RebootAcceptable)).contains("reboot it"));
            assert!(!out(why, Some(Reboot::WithoutReboot)).contains("reboot it"));
        }
    }

    #[test]
    fn what_is_recovered_needs_no_advice() {
        assert_eq!(advice(End::Recovered { by: Rung::KernelFlr }, None), None);
    }
}

//! What is left to do where no reset helped.

use reseat_core::address::DeviceAddress;
use reseat_core::recovery::{End, Quarantine, Reason};

use crate::model::finding::{Finding, Subject, id};
use crate::rules::Reboot;

/// The next steps of an operator, as the recovery policy allows them; none where nothing is left to do.
pub fn advice(device: DeviceAddress, end: End, reboot: Option<Reboot>) -> Vec<Finding> {
    let warning = |id| Finding::warning(id, Subject::gpu(device));
    match end {
        End::Recovered { .. } => Vec::new(),
        End::Unproven { .. } => vec![warning(id::RESET_UNPROVEN).remedy(id::ACCEPT_UNPROVEN)],
        End::Unverified { .. } => vec![warning(id::RECOVERY_UNVERIFIED).remedy(id::SEE_WHAT_IS_MISSING)],
        End::Refused(_) => vec![Finding::note(id::NOTHING_RESET, Subject::gpu(device))],
        End::OutOfService { why, quarantine } => {
            let left = match (why, reboot) {
                // Only a new kernel lets go of what holds the old one.
                (Reason::Stuck(_), Some(Reboot::WithoutReboot)) => id::KERNEL_HOLDS_GPU,
                (Reason::Stuck(_), _) => id::REBOOT_LEFT,
                (Reason::Exhausted | Reason::Refused(_), Some(Reboot::WithoutReboot)) => id::POWER_LEFT,
                (Reason::Exhausted | Reason::Refused(_), _) => id::POWER_OR_REBOOT_LEFT,
            };
            let failed = match quarantine {
                Quarantine::Done => None,
                Quarantine::Failed(trouble) => {
                    Some(Finding::error(id::QUARANTINE_FAILED, Subject::gpu(device)).with("cause", trouble))
                }
            };
            let left = warning(left).remedy(id::RETURN_TO_SERVICE);
            failed.into_iter().chain([left]).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use reseat_core::decision::Rung;
    use reseat_core::recovery::{Operation, Trouble};
    use reseat_core::witness::Proof;

    use super::*;
    use crate::model::finding::Id;

    fn ids(end: End, reboot: Option<Reboot>) -> Vec<Id> {
        let findings = advice("0000:01:00".parse().unwrap(), end, reboot);
        findings.into_iter().map(|finding| finding.id.clone()).collect()
    }

    fn out(why: Reason, reboot: Option<Reboot>) -> Vec<Id> {
        let quarantine = Quarantine::Done;
        ids(End::OutOfService { why, quarantine }, reboot)
    }

    #[test]
    fn a_reboot_is_advised_only_where_the_policy_allows_it() {
        for (why, with_reboot, without) in [
            (Reason::Exhausted, id::POWER_OR_REBOOT_LEFT, id::POWER_LEFT),
            (Reason::Stuck(Operation::Release), id::REBOOT_LEFT, id::KERNEL_HOLDS_GPU),
        ] {
            assert_eq!(out(why, None), std::slice::from_ref(&with_reboot));
            assert_eq!(out(why, Some(Reboot::RebootAcceptable)), [with_reboot]);
            assert_eq!(out(why, Some(Reboot::WithoutReboot)), [without]);
        }
    }

    #[test]
    fn a_quarantine_that_failed_is_reported_first() {
        let end = End::OutOfService {
            why: Reason::Exhausted,
            quarantine: Quarantine::Failed(Trouble::Blocked),
        };
        assert_eq!(ids(end, None), [id::QUARANTINE_FAILED, id::POWER_OR_REBOOT_LEFT]);
    }

    #[test]
    fn what_is_recovered_needs_no_advice() {
        assert!(ids(End::Recovered { by: Rung::KernelFlr, proof: Proof::Configuration }, None).is_empty());
    }
}

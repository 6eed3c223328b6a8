//! What is left to do where no reset helped.

use reseat_core::address::DeviceAddress;
use reseat_core::quirk::Quirk;
use reseat_core::recovery::{End, Quarantine, Reason};

use crate::model::finding::{Finding, Subject, id};
use crate::rules::Reboot;

/// What is left beside the resets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaysOut {
    /// The power of its slot can be switched, and no step of the ladder has done so.
    pub slot_power: bool,
    /// The report that suspend to RAM helps this model, where the machine offers that.
    pub suspend: Option<&'static Quirk>,
    /// Whether the machine may be rebooted for a GPU, if that is agreed on.
    pub reboot: Option<Reboot>,
}

impl WaysOut {
    /// The ways out of a GPU that no reset brings back, the one that disturbs the least first.
    fn findings(self, device: DeviceAddress, why: Reason) -> Vec<Finding> {
        let note = |id| Finding::note(id, Subject::gpu(device));
        let is_stuck = matches!(why, Reason::Stuck(_));
        let slot = (self.slot_power && !is_stuck).then(|| note(id::WAY_SLOT_POWER));
        let bmc = (!is_stuck).then(|| note(id::WAY_BMC));
        let suspend = self.suspend.filter(|_| !is_stuck).map(|row| {
            let way = note(id::WAY_SUSPEND).with("about", row.about);
            way.with("source", row.source).with("confidence", row.confidence)
        });
        let may_reboot = self.reboot != Some(Reboot::WithoutReboot);
        let reboot = may_reboot.then(|| note(id::WAY_REBOOT));
        let power_cycle = may_reboot.then(|| note(id::WAY_POWER_CYCLE));
        let ways = [slot, bmc, suspend, reboot, power_cycle];
        ways.into_iter().flatten().collect()
    }
}

/// The next steps of an operator, as the recovery policy allows them; none where nothing is left to do.
pub fn advice(device: DeviceAddress, end: End, ways: WaysOut) -> Vec<Finding> {
    let reboot = ways.reboot;
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
            let ways = ways.findings(device, why);
            failed.into_iter().chain([left]).chain(ways).collect()
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
        let ways = WaysOut {
            reboot,
            ..WaysOut::default()
        };
        let findings = advice("0000:01:00".parse().unwrap(), end, ways);
        findings.into_iter().map(|finding| finding.id.clone()).collect()
    }

    fn out(why: Reason, reboot: Option<Reboot>) -> Vec<Id> {
        let quarantine = Quarantine::Done;
        ids(End::OutOfService { why, quarantine }, reboot)
    }

    #[test]
    fn a_reboot_is_advised_only_where_the_policy_allows_it() {
        for (why, with_reboot, without, others) in [
            (
                Reason::Exhausted,
                id::POWER_OR_REBOOT_LEFT,
                id::POWER_LEFT,
                vec![id::WAY_BMC],
            ),
            (
                Reason::Stuck(Operation::Release),
                id::REBOOT_LEFT,
                id::KERNEL_HOLDS_GPU,
                vec![],
            ),
        ] {
            let reboots = [
                [with_reboot].as_slice(),
                &others,
                &[id::WAY_REBOOT, id::WAY_POWER_CYCLE],
            ]
            .concat();
            assert_eq!(out(why, None), reboots);
            assert_eq!(out(why, Some(Reboot::RebootAcceptable)), reboots);
            assert_eq!(
                out(why, Some(Reboot::WithoutReboot)),
                [[without].as_slice(), &others].concat()
            );
        }
    }

    #[test]
    fn what_disturbs_the_least_comes_first() {
        let ways = WaysOut {
            slot_power: true,
            suspend: reseat_core::quirk::SUSPENDS.first(),
            reboot: None,
        };
        let end = End::OutOfService {
            why: Reason::Exhausted,
            quarantine: Quarantine::Done,
        };
        let findings = advice("0000:01:00".parse().unwrap(), end, ways);
        let ids: Vec<&str> = findings.iter().map(|finding| finding.id.as_str()).collect();
        assert_eq!(
            ids,
            [
                "power-or-reboot-left",
                "way-slot-power",
                "way-bmc",
                "way-suspend",
                "way-reboot",
                "way-power-cycle"
            ]
        );
        assert_eq!(findings[3].evidence.get("confidence"), Some("reported"));
    }

    #[test]
    fn a_quarantine_that_failed_is_reported_first() {
        let end = End::OutOfService {
            why: Reason::Exhausted,
            quarantine: Quarantine::Failed(Trouble::Blocked),
        };
        assert_eq!(ids(end, None)[..2], [id::QUARANTINE_FAILED, id::POWER_OR_REBOOT_LEFT]);
    }

    #[test]
    fn what_is_recovered_needs_no_advice() {
        assert!(
            ids(
                End::Recovered {
                    by: Rung::KernelFlr,
                    proof: Proof::Configuration
                },
                None
            )
            .is_empty()
        );
    }
}

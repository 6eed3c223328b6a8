//! The comparison of a GPU with its baseline, in a worker.

use reseat_core::address::FunctionAddress;
use reseat_core::decision::Use;
use reseat_core::health::{self as judged, Errors, Reading, Verdict};
use reseat_core::recovery::Failure;

use super::trouble::Stop;
use super::users::in_use;
use super::{journal, vfio_registers};
use crate::linux::state::recovery_files;
use crate::linux::survey::health::{self, Patience};
use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Subject, id};
use crate::model::subject::{Member, RecoverySubject};
use crate::recovery::{self, Examined, FunctionBaseline, Means};

/// Holds every function against its baseline, its errors against those from just before the reset.
pub(super) fn verify(root: &Root, subject: &RecoverySubject) -> Result<Examined, Stop> {
    let journal = journal::read(root, subject)?;
    let before = |member: &Member, _: &judged::Condition| journal.errors_of(member.address);
    let counter = |at| journal.counter(at);
    let patience = |known: &judged::Condition| Patience::ForBoot {
        was: known.vendor_register,
    };
    examine_by(root, subject, (before, patience), counter, Means::OrVfio)
}

/// Holds every function against its baseline as it is found, its errors against the baseline's.
pub(super) fn examine(root: &Root, subject: &RecoverySubject, means: Means) -> Result<Examined, Stop> {
    let before = |_: &Member, baseline: &judged::Condition| baseline.errors.clone();
    let patience = |_: &judged::Condition| Patience::None;
    examine_by(root, subject, (before, patience), |_| judged::Counter::Continued, means)
}

fn examine_by(
    root: &Root,
    subject: &RecoverySubject,
    (before, patience): (
        impl Fn(&Member, &judged::Condition) -> Reading<Errors>,
        impl Fn(&judged::Condition) -> Patience,
    ),
    counter: impl Fn(FunctionAddress) -> judged::Counter,
    means: Means,
) -> Result<Examined, Stop> {
    if subject.members.is_empty() {
        let none = Finding::error(id::NO_FUNCTIONS, Subject::gpu(subject.device));
        return Err(Stop::failed(Failure::Io, none));
    }
    let baseline = recovery_files::baseline(root, subject.device)?;
    let mut verdict = Verdict::Verified;
    let mut findings = Vec::new();
    if baseline.is_none() {
        let none = Finding::warning(id::NO_BASELINE, Subject::gpu(subject.device));
        findings.push(none.remedy(id::SAVE_BASELINE));
    }
    let known = |member: &Member| {
        let known = baseline.as_ref().and_then(|baseline| baseline.condition_of(member));
        known.unwrap_or_else(judged::Condition::unread)
    };
    let mut observed = Vec::new();
    for member in &subject.members {
        let patience = patience(&known(member));
        let mut now = health::observe(root, subject, member, &counter, patience);
        if means == Means::OrVfio {
            vfio_registers::complete(root, subject, member, &mut now, patience, &mut findings);
        }
        observed.push(now);
    }
    health::wait_for_transactions(root, subject, &mut observed);
    for (member, now) in subject.members.iter().zip(&observed) {
        let known = known(member);
        let examination = judged::judge(&known, &before(member, &known), now);
        findings.extend(recovery::health::faults(member.address, &examination));
        findings.extend(recovery::health::missing(
            id::NOT_COMPARED,
            member.address,
            &examination,
        ));
        verdict = verdict.and(examination.verdict());
    }
    Ok(Examined { verdict, findings })
}

/// Reads all that a baseline holds. Nobody has looked yet whether the GPU is used.
pub(super) fn observe(root: &Root, subject: &RecoverySubject, means: Means) -> (Vec<FunctionBaseline>, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut observed = Vec::new();
    for member in &subject.members {
        let patience = Patience::None;
        let mut now = health::observe(root, subject, member, |_| judged::Counter::Continued, patience);
        let is_wanted = means == Means::OrVfio && vfio_registers::is_wanted(&now);
        if is_wanted && in_use(root, subject, &mut findings) == Use::Free {
            vfio_registers::complete(root, subject, member, &mut now, patience, &mut findings);
        }
        observed.push(now);
    }
    health::wait_for_transactions(root, subject, &mut observed);
    let functions = subject.members.iter().zip(observed);
    let functions = functions.map(|(member, observation)| FunctionBaseline {
        address: member.address,
        identity: member.identity,
        class: member.class,
        observation,
    });
    (functions.collect(), findings)
}

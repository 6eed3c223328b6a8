//! The users of a GPU, before it is reset.

use reseat_core::decision::Use;

use crate::linux::survey::usage;
use crate::linux::sysfs::root::Root;
use crate::model::finding::Finding;
use crate::model::subject::RecoverySubject;
use crate::model::usage::{Usage, User};

/// Looks for users of the functions of the GPU that are there: one that is removed has no user.
pub(super) fn in_use(root: &Root, subject: &RecoverySubject, findings: &mut Vec<Finding>) -> Use {
    let mut here = subject.functions();
    here.retain(|function| root.function(*function).exists());
    if here.is_empty() {
        return Use::Free;
    }
    let usage = usage::of(root, &here);
    findings.extend(usage.findings());
    Use::from(&usage)
}

/// The users for whom the kernel may have to wait, forever, before it takes the GPU from its drivers.
pub(super) fn holders(root: &Root, subject: &RecoverySubject) -> Vec<Finding> {
    let mut here = subject.functions();
    here.retain(|function| root.function(*function).exists());
    match usage::of(root, &here) {
        Usage::Used(mut users) => {
            users.retain(User::may_hold_up_unbind);
            users.iter().map(User::finding).collect()
        }
        Usage::Free | Usage::Unknown(_) => Vec::new(),
    }
}

//! FLR of a GPU: of each of its functions that has it.

use reseat_core::address::FunctionAddress;

use super::trouble::Stop;
use super::{journal, reset};
use crate::linux::state::recovery_files;
use crate::linux::sysfs::attributes;
use crate::linux::sysfs::root::Root;
use crate::model::finding::Finding;
use crate::model::subject::RecoverySubject;
use crate::recovery::kept_out::has_flr;

/// Resets every function that has FLR, the main one last: what is beside it may need it.
pub(super) fn every_function(root: &Root, subject: &RecoverySubject, findings: &mut Vec<Finding>) -> Result<(), Stop> {
    let mut with_flr = resets(root, subject)?;
    only(root, subject, with_flr.clone())?;
    with_flr.retain(|sibling| *sibling != subject.function);
    for function in with_flr.into_iter().rev().chain([subject.function]) {
        reset::function(root, function, reset::FLR, findings)?;
    }
    Ok(())
}

/// The functions that an FLR of the GPU resets: the main one, and every other that has it.
pub(super) fn resets(root: &Root, subject: &RecoverySubject) -> Result<Vec<FunctionAddress>, Stop> {
    let mut with_flr = Vec::new();
    for sibling in subject.functions() {
        if sibling == subject.function || offers_flr(root, sibling)? {
            with_flr.push(sibling);
        }
    }
    Ok(with_flr)
}

/// Notes which functions are reset, if not all are.
pub(super) fn only(root: &Root, subject: &RecoverySubject, functions: Vec<FunctionAddress>) -> Result<(), Stop> {
    let only = (functions.len() != subject.members.len()).then_some(functions);
    journal::note(root, subject, |journal| journal.witness.only = only)
}

/// True if the kernel would take FLR as a function's method now: a quirk of its own may forbid what the function offers. Where FLR
/// is kept out of its methods, the list before that counts.
fn offers_flr(root: &Root, function: FunctionAddress) -> Result<bool, Stop> {
    let methods = attributes::read_if_there(&root.function(function).join("reset_method"))?;
    let kept = recovery_files::kept_out(root, function.device_address())?;
    let before = kept.as_ref().and_then(|kept| kept.before(function));
    Ok(methods.as_deref().into_iter().chain(before).any(has_flr))
}

#[cfg(test)]
mod tests;

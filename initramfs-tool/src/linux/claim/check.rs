//! The claim that the rules would make now, without making it.

use std::path::PathBuf;
use std::time::Instant;

use super::boot::{Options, Request, carry_out, read_command_line};
use super::{displays, iommu};
use crate::linux::state::recovery_policy;
use crate::linux::survey::details;
use crate::linux::sysfs::functions;
use crate::linux::sysfs::root::Root;
use crate::model::inventory::{Gpu, Wanted};
use crate::plan::{self, Machine};
use crate::report::Report;
use crate::rules::Switch;

/// What a look at the rules brought.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The report of a dry run.
    pub report: Report,
    /// Whether every rule says something.
    pub understood: bool,
    /// How far this boot's kernel command line lets a claim go.
    pub switch: Switch,
    /// What is wrong with what the file says of recovery. To a claim that is nothing.
    pub contract: Option<String>,
}

/// What the rules would claim now: those of the usual file or of another, and those of this boot, even if that was one with
/// `reseat=off`. Touches nothing.
pub fn check_rules(root: &Root, rules: Option<PathBuf>) -> Checked {
    let begin = Instant::now();
    let options = Options {
        root: root.clone(),
        rules,
        report: None,
        dry_run: true,
    };
    let command_line = read_command_line(root);
    let unread = command_line.as_ref().err().cloned();
    let mut request = Request::gather(&options, command_line.unwrap_or_default());
    request.problems.extend(unread);
    let (understood, switch) = (request.understood(), request.parameters.switch);
    let contract = match request.file_is_good {
        true => recovery_policy::problem(root, options.rules.as_deref()),
        // That it is none is told already.
        false => None,
    };
    Checked {
        report: carry_out(begin, &options, request),
        understood,
        switch,
        contract,
    }
}

/// The GPUs that the rules would have claimed now, were all of them in service.
pub(crate) fn chosen(root: &Root) -> Vec<Gpu> {
    let Ok(command_line) = read_command_line(root) else {
        return Vec::new();
    };
    let options = Options {
        root: root.clone(),
        rules: None,
        report: None,
        dry_run: true,
    };
    // Whoever claims with them tells what is wrong with them.
    let Request {
        command_line,
        parameters,
        rules,
        ..
    } = Request::gather(&options, command_line);
    // By a dry run the boot claims nothing either.
    if parameters.switch != Switch::On {
        return Vec::new();
    }
    let listing = functions::list(root);
    let machine = Machine {
        functions: &listing.functions,
        unreadable: &listing.unreadable,
        details: &details::gather(root, &listing.functions, Wanted::by(&rules), &mut Vec::new()),
        signs: &displays::signs(root, &listing.functions),
        iommu: &iommu::gather(root, &listing.functions, &command_line),
    };
    plan::plan(rules, machine).claim
}

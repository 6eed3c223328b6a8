//! The search for whoever uses a GPU.
//!
//! | user | seen by |
//! | --- | --- |
//! | VFIO | the group's file, and the function's own where the kernel has such |
//! | a host driver's clients | every device file below the function in sysfs: DRM, sound, USB, I2C, accelerators |
//! | NVIDIA's clients | `/dev/nvidia*` by the minor number that the driver names |
//! | amdgpu's clients | `/dev/kfd`, which names no GPU: of a function on amdgpu, whoever has it open is a user |
//! | a program without a driver | the files of the BARs |
//! | virtual functions, mediated devices | sysfs |
//! | MIG's instances | `/proc/driver/nvidia/capabilities`, where NVIDIA's driver lists them |
//!
//! `/dev/iommu`, `/dev/nvidiactl` and `/dev/nvidia-uvm` name no GPU, and whoever uses one holds a file that does as well.
//!
//! Of each process the files of all threads are looked at, though most share them: a thread may have its own, and the
//! first one may have ended. That costs a system call for each file of each thread, in a search that comes before
//! something as rare as a reset.

mod devices;
mod group;
mod processes;

use std::cell::RefCell;
use std::io;
use std::time::Duration;

use reseat_core::address::FunctionAddress;
use serde::{Deserialize, Serialize};

use crate::linux::process::child::{Lost, consult};
use crate::linux::process::serve::{Job, Line};
use crate::linux::sysfs::attributes;
use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Subject, id};
use crate::model::usage::{Holds, Seen, Usage};

/// Gets functions, and answers who uses them.
pub(crate) const JOB: Job = Job::new("find-users", search);

/// A process that hangs in the kernel can hold up whoever looks at its memory, and a file system whose server is gone
/// whoever looks at its files.
///
/// Less than the [limit](reseat_core::recovery::Operation::limit) of the order, so that the words are still heard.
const LIMIT: Duration = Duration::from_secs(8);

/// The initial PID namespace, `PROC_PID_INIT_INO` in the kernel's `include/linux/proc_ns.h`.
pub(in crate::linux) const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";

/// An answer of the child that searches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Said {
    /// It looks at this process now.
    At(u32),
    /// It has come to the end.
    Found(Usage),
}

/// Who uses any of the functions: all of one GPU, as a rule. A child searches, and is left behind after 8 s.
///
/// A function that is not there is unknown use. Files that the calling process and its children hold count as well. What
/// was so when it was looked at may be so no longer: a file can be passed on to a process that was looked at before. To be
/// sure, take the functions off their drivers.
pub(crate) fn of(root: &Root, functions: &[FunctionAddress]) -> Usage {
    if cfg!(test) {
        // The program of the unit tests is not one that a child could run.
        return Search { root, at: &|_| {} }.run(functions);
    }
    let mut heard = Heard::default();
    let end = consult(&JOB, root, &functions, LIMIT, &mut |said| heard.hear(said));
    heard.usage(&end, LIMIT)
}

/// What was heard of a search.
#[derive(Debug, Default)]
struct Heard {
    at: u32,
    found: Option<Usage>,
}

impl Heard {
    fn hear(&mut self, said: Said) {
        match said {
            Said::At(process) => self.at = process,
            Said::Found(usage) => self.found = Some(usage),
        }
    }

    fn usage(self, end: &Result<(), Lost>, limit: Duration) -> Usage {
        let at = self.at;
        let about = |id| Finding::error(id, Subject::machine());
        let obstacle = match (self.found, end) {
            (Some(usage), Ok(())) => return usage,
            (_, Err(Lost::NotStarted(error))) => about(id::USERS_NOT_SEARCHED).with("cause", error),
            (_, Err(Lost::Blocked)) => about(id::USER_SEARCH_TIMED_OUT)
                .with("limit_ms", limit.as_millis())
                .with("pid", at),
            (_, Err(lost)) => about(id::USER_SEARCH_LOST).with("pid", at).with("cause", lost),
            (None, Ok(())) => about(id::USER_SEARCH_LOST)
                .with("pid", at)
                .with("cause", "it ended without a result"),
        };
        Usage::Unknown(vec![obstacle])
    }
}

fn search(root: &Root, line: &mut Line) -> io::Result<()> {
    let functions: Vec<FunctionAddress> = line.only_question()?;
    let line = RefCell::new(line);
    // A supervisor that does not listen any more has no use for the rest either, which changes nothing.
    let at = |process| {
        line.borrow_mut().answer(Said::At(process)).ok();
    };
    let usage = Search { root, at: &at }.run(&functions);
    line.borrow_mut().answer(Said::Found(usage))
}

/// One search.
struct Search<'a> {
    root: &'a Root,
    /// Called with each process before the search looks at it.
    at: &'a dyn Fn(u32),
}

impl Search<'_> {
    fn run(&self, functions: &[FunctionAddress]) -> Usage {
        let mut seen = Seen::default();
        let watch = devices::of(self.root, functions, &mut seen);
        seen.obstacles.extend(hidden_processes(self.root));
        self.search_processes(&watch, Holds::Open, &mut seen);
        // Memory comes second: only there can a process that hangs hold up the search.
        if seen.users.is_empty() {
            self.search_processes(&watch, Holds::Mapped, &mut seen);
        }
        // And this last: for a moment nobody else could open the group.
        if seen.users.is_empty() {
            group::search(self.root, functions, &mut seen);
        }
        seen.into()
    }
}

/// Why /proc does not show all processes, unless it does. Whoever may not look at the first one may not look at others
/// either, nor does he see them where /proc hides them from the unprivileged.
fn hidden_processes(root: &Root) -> Option<Finding> {
    let hidden = Finding::error(id::PROCESSES_HIDDEN, Subject::machine());
    match attributes::link_name(&root.path("/proc/1/ns/pid")) {
        Ok(Some(namespace)) if namespace == INITIAL_PID_NAMESPACE => None,
        Ok(Some(namespace)) => {
            let foreign = Finding::error(id::PROC_OF_NAMESPACE, Subject::machine());
            Some(foreign.with("namespace", namespace))
        }
        Ok(None) => Some(hidden.with("cause", "/proc does not show process 1")),
        Err(error) => Some(hidden.with("cause", error)),
    }
}

#[cfg(test)]
mod tests;

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
//!
//! `/dev/iommu`, `/dev/nvidiactl` and `/dev/nvidia-uvm` name no GPU, and whoever uses one holds a file that does as well.
//!
//! Of each process the files of all threads are looked at, though most share them: a thread may have its own, and the
//! first one may have ended. That costs a system call for each file of each thread, in a search that comes before
//! something as rare as a reset.

mod devices;
mod group;
mod processes;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use reseat_core::address::FunctionAddress;

use crate::linux::sysfs::attributes;
use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Subject, id};
use crate::model::usage::{Holds, Seen, Usage};

/// A process that hangs in the kernel can hold up whoever looks at its memory, and a file system whose server is gone
/// whoever looks at its files.
///
/// Less than the [limit](reseat_core::recovery::Operation::limit) of the order, so that the words are still heard.
const LIMIT: Duration = Duration::from_secs(8);

/// The initial PID namespace, `PROC_PID_INIT_INO` in the kernel's `include/linux/proc_ns.h`.
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";

/// Who uses any of the functions: all of one GPU, as a rule. Comes back within 8 s.
///
/// A function that is not there is unknown use. Files that the calling process and its children hold count as well. What
/// was so when it was looked at may be so no longer: a file can be passed on to a process that was looked at before. To be
/// sure, take the functions off their drivers.
pub fn of(root: &Root, functions: &[FunctionAddress]) -> Usage {
    within(LIMIT, root, functions)
}

fn within(limit: Duration, root: &Root, functions: &[FunctionAddress]) -> Usage {
    let at = Arc::new(AtomicU32::new(0));
    let (sender, receiver) = mpsc::channel();
    let search = Search {
        root: root.clone(),
        at: Arc::clone(&at),
    };
    let functions = functions.to_owned();
    // A thread that hangs is left behind; nothing it does changes anything.
    let spawned = thread::Builder::new().spawn(move || sender.send(search.run(&functions)).ok());
    if let Err(error) = spawned {
        let obstacle = Finding::error(id::USERS_NOT_SEARCHED, Subject::machine()).with("cause", error);
        return Usage::Unknown(vec![obstacle]);
    }
    receiver.recv_timeout(limit).unwrap_or_else(|_| {
        let at = at.load(Ordering::Relaxed);
        let obstacle = Finding::error(id::USER_SEARCH_TIMED_OUT, Subject::machine());
        Usage::Unknown(vec![obstacle.with("limit_ms", limit.as_millis()).with("pid", at)])
    })
}

/// One search.
struct Search {
    root: Root,
    /// The process that is looked at.
    at: Arc<AtomicU32>,
}

impl Search {
    fn run(&self, functions: &[FunctionAddress]) -> Usage {
        let mut seen = Seen::default();
        let watch = devices::of(&self.root, functions, &mut seen);
        seen.obstacles.extend(hidden_processes(&self.root));
        self.search_processes(&watch, Holds::Open, &mut seen);
        // Memory comes second: only there can a process that hangs hold up the search.
        if seen.users.is_empty() {
            self.search_processes(&watch, Holds::Mapped, &mut seen);
        }
        // And this last: for a moment nobody else could open the group.
        if seen.users.is_empty() {
            group::search(&self.root, functions, &mut seen);
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

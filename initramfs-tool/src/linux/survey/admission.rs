//! Leave to read a function: the links above it are active.

use reseat_core::address::FunctionAddress;
use reseat_core::presence::{Admission, PortLink, Readiness};

use crate::linux::sysfs::capabilities::Space;
use crate::linux::sysfs::root::Root;

/// Leave to read what is below `ports`, which are those above it from the root port on; or what is to be said instead.
pub(crate) fn admission(root: &Root, ports: &[FunctionAddress]) -> Result<Admission, Readiness> {
    let mut admission = Admission::on_root_bus();
    for port in ports {
        admission = link_of(root, *port, admission).admit()?;
    }
    Ok(admission)
}

/// What the last of `ports` says about its link, each port asked after the one above it.
pub(crate) fn link_below(root: &Root, ports: &[FunctionAddress]) -> PortLink {
    let Some((last, above)) = ports.split_last() else {
        return PortLink::NotReported;
    };
    match admission(root, above) {
        Ok(admission) => link_of(root, *last, admission),
        Err(Readiness::LinkInactive) => PortLink::Inactive,
        Err(_) => PortLink::Unreadable,
    }
}

/// What a port says about its link.
pub(crate) fn link_of(root: &Root, port: FunctionAddress, admission: Admission) -> PortLink {
    let Ok(mut space) = Space::open(root, port) else {
        return PortLink::Unreadable;
    };
    let is_complete = space.is_complete();
    match space.express() {
        Some(mut express) => admission.link(&mut express),
        None if is_complete => PortLink::NotReported,
        None => PortLink::Unreadable,
    }
}

//! What the kernel says about a VFIO group that no process shows.
//!
//! A process can close the group's file and keep the device's, which names no device; it can send either to another, and
//! meanwhile nobody has it; and an `io_uring` keeps files that no process lists. In each case the kernel holds on to the group,
//! lets nobody else open it, and says so: EBUSY. Opening a group that is free touches no device.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use reseat_core::address::FunctionAddress;
use rustix::fs::{OFlags, major, minor};

use super::devices;
use crate::linux::sysfs::root::Root;
use crate::model::finding::{Finding, Subject, id};
use crate::model::usage::{DeviceNumber, Seen, User};

/// Opens the groups of the functions, and closes them again.
pub(super) fn search(root: &Root, functions: &[FunctionAddress], seen: &mut Seen) {
    let mut opened = Vec::new();
    for function in functions {
        match devices::groups_of(root, *function) {
            Ok(groups) => {
                for (name, number) in groups {
                    if !opened.contains(&name) {
                        note(*function, &name, open(root, &name, number), seen);
                        opened.push(name);
                    }
                }
            }
            Err(error) => seen.obstacles.push(error.finding(*function)),
        }
    }
}

fn open(root: &Root, name: &str, number: DeviceNumber) -> io::Result<()> {
    let path = root.path("/dev/vfio").join(name);
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file: File = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(path)?;
    let found = file.metadata()?.rdev();
    match (major(found), minor(found)) == (number.major, number.minor) {
        true => Ok(()),
        false => Err(io::Error::other("it is another device")),
    }
}

fn note(function: FunctionAddress, name: &str, opened: io::Result<()>, seen: &mut Seen) {
    let file = format!("/dev/vfio/{name}");
    match opened {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
            seen.users.push(User::Hidden { file, function });
        }
        Err(error) => {
            let obstacle = Finding::error(id::GROUP_USE_UNKNOWN, Subject::function(function));
            seen.obstacles.push(obstacle.with("file", file).with("cause", error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::usage::Usage;

    #[test]
    fn a_busy_group_is_in_use_and_one_that_cannot_be_opened_is_unknown() {
        let usage = |opened| {
            let mut seen = Seen::default();
            note("0000:01:00.0".parse().unwrap(), "7", opened, &mut seen);
            Usage::from(seen)
        };
        let error = |kind| Err(io::Error::from(kind));
        assert_eq!(usage(Ok(())), Usage::Free);
        assert!(matches!(usage(error(io::ErrorKind::ResourceBusy)), Usage::Used(_)));
        assert!(matches!(usage(error(io::ErrorKind::NotFound)), Usage::Unknown(_)));
    }
}

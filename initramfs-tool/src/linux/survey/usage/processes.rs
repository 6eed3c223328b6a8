//! The files that processes hold, by /proc.

use std::path::{Path, PathBuf};
use std::{fs, io};

use reseat_core::address::FunctionAddress;
use rustix::fs::{AtFlags, CWD, FileType, StatxFlags, statx};

use super::Search;
use crate::linux::sysfs::attributes;
use crate::model::finding::{Finding, Subject, SubjectKind, id};
use crate::model::usage::{DeviceKind, DeviceNumber, Holds, Interface, Seen, User, Watch};

/// A process that is looked at.
struct Process<'a> {
    pid: u32,
    watch: &'a Watch,
    how: Holds,
    seen: &'a mut Seen,
}

impl Search<'_> {
    /// Adds the processes that hold a file of the watched functions in this way, and those that cannot be looked at.
    pub(super) fn search_processes(&self, watch: &Watch, how: Holds, seen: &mut Seen) {
        let proc = self.root.path("/proc");
        let processes = match numbers(&proc) {
            Ok(processes) => processes,
            Err(error) => {
                let obstacle = Finding::error(id::FILE_UNREADABLE, Subject::file(&proc));
                seen.obstacles.push(obstacle.with("cause", error));
                return;
            }
        };
        for pid in processes {
            (self.at)(pid);
            let mut process = Process { pid, watch, how, seen };
            if let Err(error) = process.search(&proc)
                && !is_gone(&error)
            {
                let process = Subject::named(SubjectKind::Process, pid.to_string());
                let obstacle = Finding::error(id::PROCESS_UNREADABLE, process);
                let obstacle = obstacle.with("command", command(&proc, pid)).with("how", how.name());
                seen.obstacles.push(obstacle.with("cause", error));
            }
        }
    }
}

impl Process<'_> {
    fn search(&mut self, proc: &Path) -> io::Result<()> {
        let tasks = proc.join(self.pid.to_string()).join("task");
        for task in numbers(&tasks)? {
            let searched = match self.how {
                Holds::Open => self.directory(proc, &tasks.join(task.to_string()).join("fd")),
                // Threads share their memory, and have it listed under their own number too.
                Holds::Mapped => self.directory(proc, &proc.join(task.to_string()).join("map_files")),
            };
            match (searched, self.how) {
                (Ok(count), Holds::Mapped) if count > 0 => return Ok(()),
                (Err(error), _) if !is_gone(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// How many files there were.
    fn directory(&mut self, proc: &Path, directory: &Path) -> io::Result<usize> {
        let mut count = 0;
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            match owner(&path, self.watch) {
                Ok(Some((function, interface))) => self.found(proc, &path, function, interface),
                Err(error) if !is_gone(&error) => return Err(error),
                _ => {}
            }
            count += 1;
        }
        Ok(count)
    }

    fn found(&mut self, proc: &Path, path: &Path, function: FunctionAddress, interface: Interface) {
        // Closed meanwhile, it has no name any more: it was held all the same.
        let file = fs::read_link(path).unwrap_or_else(|_| PathBuf::from("a file"));
        self.seen.users.push(User::Process {
            pid: self.pid,
            command: command(proc, self.pid),
            how: self.how,
            file: file.display().to_string(),
            interface,
            function,
        });
    }
}

/// The watched function to which the file belongs that a link in /proc stands for, and through what it reaches it.
fn owner(path: &Path, watch: &Watch) -> io::Result<Option<(FunctionAddress, Interface)>> {
    // A server of a network file system is not to be asked: it may be gone.
    let file = statx(CWD, path, AtFlags::STATX_DONT_SYNC, StatxFlags::TYPE)?;
    let device = |kind| {
        let number = DeviceNumber {
            kind,
            major: file.stx_rdev_major,
            minor: file.stx_rdev_minor,
        };
        let device = watch.device(number)?;
        Some((device.function, device.interface))
    };
    match FileType::from_raw_mode(file.stx_mode.into()) {
        FileType::CharacterDevice => Ok(device(DeviceKind::Character)),
        FileType::BlockDevice => Ok(device(DeviceKind::Block)),
        // Sysfs is on no disk, so its own device has no driver's number.
        FileType::RegularFile if file.stx_dev_major == 0 => {
            let function = watch.owner_of_bar(&fs::read_link(path)?.to_string_lossy());
            Ok(function.map(|function| (function, Interface::Other)))
        }
        _ => Ok(None),
    }
}

/// What the process calls itself, for the operator's eyes only.
fn command(proc: &Path, pid: u32) -> String {
    let name = attributes::read(&proc.join(pid.to_string()).join("comm"));
    name.unwrap_or_else(|_| "gone".to_owned())
}

/// The entries of a directory that are numbers.
fn numbers(directory: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        numbers.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    Ok(numbers)
}

/// Whether something has ended while it was looked at: a process (ESRCH as well) or a file.
fn is_gone(error: &io::Error) -> bool {
    let gone = [rustix::io::Errno::NOENT, rustix::io::Errno::SRCH];
    gone.iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

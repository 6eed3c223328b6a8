//! The users of a GPU.
//!
//! A GPU is free only if every place that could show a user was readable. Users inside the kernel cannot be detected: a
//! console on a framebuffer, a mounted disk on the GPU's USB function, or another driver's work. A function without a
//! driver, or bound to vfio-pci, has none.

use reseat_core::address::FunctionAddress;
use reseat_core::decision::Use;
use serde::{Deserialize, Serialize};

use super::finding::{Finding, Subject, id};

/// The result of a search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Usage {
    /// Not in use.
    Free,
    /// In use by these users, and possibly others.
    Used(Vec<User>),
    /// No user was found, but these findings prevented a full search.
    Unknown(Vec<Finding>),
}

/// A user of a GPU.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum User {
    /// A process that holds a file of the GPU.
    Process {
        /// The process ID.
        pid: u32,
        /// The command name.
        command: String,
        /// The way it holds the file.
        how: Holds,
        /// The file, by the name that the process sees.
        file: String,
        /// The kernel interface of the file.
        interface: Interface,
        /// The function behind the file; the first of them if several share it.
        function: FunctionAddress,
    },
    /// A user that has a VFIO group but shows in no process: the file is being passed between two, or the kernel holds
    /// it for one.
    Hidden {
        /// The group's file.
        file: String,
        /// A function of the group.
        function: FunctionAddress,
    },
    /// Virtual functions, whose users a reset would affect.
    VirtualFunctions {
        /// The physical function.
        function: FunctionAddress,
        /// The number of virtual functions.
        count: usize,
    },
    /// A mediated device.
    Mediated {
        /// The parent function.
        function: FunctionAddress,
        /// The UUID of the device.
        name: String,
    },
    /// Instances of the GPU, created by NVIDIA's driver (MIG).
    Instances {
        /// The function of the instances.
        function: FunctionAddress,
        /// The number of instances.
        count: usize,
    },
}

/// The kernel interface through which a file reaches a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Interface {
    /// VFIO. The owner of a group's file can get a device's file at any moment. Until that is closed, the kernel does
    /// not return from unbinding vfio-pci.
    Vfio,
    /// Any other interface: a driver's own files, or a BAR's.
    Other,
}

impl User {
    /// Returns true if the kernel may have to wait for this user before it unbinds a driver.
    pub const fn may_hold_up_unbind(&self) -> bool {
        match self {
            Self::Process { interface, .. } => matches!(interface, Interface::Vfio),
            Self::Hidden { .. } => true,
            Self::VirtualFunctions { .. } | Self::Mediated { .. } | Self::Instances { .. } => false,
        }
    }
}

/// The way a process holds a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Holds {
    /// Open as a file descriptor.
    Open,
    /// Mapped into its memory, which stays after the file is closed.
    Mapped,
}

impl From<&Usage> for Use {
    fn from(usage: &Usage) -> Self {
        match usage {
            Usage::Free => Self::Free,
            Usage::Used(_) => Self::Used,
            Usage::Unknown(_) => Self::Unknown,
        }
    }
}

impl Usage {
    /// The users, or the obstacles to finding them.
    pub fn findings(&self) -> Vec<Finding> {
        match self {
            Self::Free => Vec::new(),
            Self::Used(users) => users.iter().map(User::finding).collect(),
            Self::Unknown(obstacles) => obstacles.clone(),
        }
    }
}

impl User {
    /// The user as a finding.
    pub fn finding(&self) -> Finding {
        let warning = |id, function| Finding::warning(id, Subject::function(function));
        match self {
            Self::Process {
                pid,
                command,
                how,
                file,
                function,
                ..
            } => warning(id::USED_BY_PROCESS, *function)
                .with("pid", pid)
                .with("command", command)
                .with("file", file)
                .with("how", how.name()),
            Self::Hidden { file, function } => warning(id::GROUP_IN_USE, *function).with("file", file),
            Self::VirtualFunctions { function, count } => {
                warning(id::VIRTUAL_FUNCTIONS_IN_USE, *function).with("count", count)
            }
            Self::Instances { function, count } => warning(id::GPU_INSTANCES_IN_USE, *function).with("count", count),
            Self::Mediated { function, name } => warning(id::MEDIATED_DEVICE_IN_USE, *function).with("name", name),
        }
    }
}

impl Holds {
    /// The name in a finding.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Mapped => "mapped",
        }
    }
}

/// The partial result of a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The users found.
    pub users: Vec<User>,
    /// The obstacles to finding others.
    pub obstacles: Vec<Finding>,
}

impl From<Seen> for Usage {
    fn from(mut seen: Seen) -> Self {
        // Threads share most of their files.
        seen.users.sort();
        seen.users.dedup();
        seen.obstacles.dedup();
        match (seen.users.is_empty(), seen.obstacles.is_empty()) {
            (true, true) => Self::Free,
            (true, false) => Self::Unknown(seen.obstacles),
            (false, _) => Self::Used(seen.users),
        }
    }
}

/// A device number: the same under every name, in every mount namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceNumber {
    /// The kind of device.
    pub kind: DeviceKind,
    /// The number of the driver.
    pub major: u32,
    /// The number of the device within its driver.
    pub minor: u32,
}

/// The kind of device. The two kinds have separate numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// A character device.
    Character,
    /// A block device.
    Block,
}

impl DeviceNumber {
    /// Parses a `dev` file: `major:minor`, decimal.
    pub fn parse(kind: DeviceKind, text: &str) -> Option<Self> {
        let (major, minor) = text.split_once(':')?;
        Some(Self {
            kind,
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
        })
    }
}

/// The target of a search: the files through which some functions are used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// The functions.
    pub functions: Vec<FunctionAddress>,
    /// Device files with their functions.
    pub devices: Vec<WatchedDevice>,
}

/// A device file to search for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchedDevice {
    /// The device number.
    pub number: DeviceNumber,
    /// The function behind it.
    pub function: FunctionAddress,
    /// The kernel interface.
    pub interface: Interface,
}

impl Watch {
    /// Adds a device file of a function, once.
    pub fn add(&mut self, device: WatchedDevice) {
        if self.device(device.number).is_none() {
            self.devices.push(device);
        }
    }

    /// Returns the watched device with this number, if any.
    pub fn device(&self, number: DeviceNumber) -> Option<WatchedDevice> {
        self.devices.iter().find(|known| known.number == number).copied()
    }

    /// Returns the function whose memory BAR this file is: `resource0` and the like of the function in sysfs, which
    /// reach the device without a driver.
    pub fn owner_of_bar(&self, path: &str) -> Option<FunctionAddress> {
        let (directory, file) = path.rsplit_once('/')?;
        let number = file.strip_prefix("resource")?;
        let is_bar = number.starts_with(|digit: char| digit.is_ascii_digit());
        let (_, name) = directory.rsplit_once('/')?;
        let address = name.parse().ok().filter(|_| is_bar)?;
        self.functions.iter().copied().find(|function| *function == address)
    }
}

/// Returns the minor number in `/proc/driver/nvidia/gpus/*/information`, that of `/dev/nvidia*`.
pub fn nvidia_minor(information: &str) -> Option<u32> {
    let mut lines = information.lines().filter_map(|line| line.split_once(':'));
    let (_, minor) = lines.find(|(key, _)| key.trim() == "Device Minor")?;
    minor.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu() -> FunctionAddress {
        "0000:01:00.0".parse().unwrap()
    }

    fn process(file: &str) -> User {
        User::Process {
            pid: 4242,
            command: "qemu-system-x86".to_owned(),
            how: Holds::Open,
            file: file.to_owned(),
            interface: Interface::Other,
            function: gpu(),
        }
    }

    #[test]
    fn what_kept_a_user_from_being_seen_is_never_free() {
        let obstacles = vec![Finding::error(id::FILE_UNREADABLE, Subject::file("/proc/7/fd"))];
        let usage = |users, obstacles| Usage::from(Seen { users, obstacles });
        assert_eq!(usage(Vec::new(), Vec::new()), Usage::Free);
        assert_eq!(usage(Vec::new(), obstacles.clone()), Usage::Unknown(obstacles.clone()));
        let user = process("/dev/vfio/7");
        assert_eq!(usage(vec![user.clone()], obstacles), Usage::Used(vec![user]));
    }

    #[test]
    fn threads_that_share_a_file_are_one_user() {
        let users = ["/dev/vfio/7", "/dev/dri/card0", "/dev/vfio/7"].map(process);
        let seen = Seen {
            users: users.to_vec(),
            obstacles: Vec::new(),
        };
        let findings = Usage::from(seen).findings();
        let files: Vec<Option<&str>> = findings.iter().map(|finding| finding.evidence.get("file")).collect();
        assert_eq!(files, [Some("/dev/dri/card0"), Some("/dev/vfio/7")]);
        assert_eq!(findings[0].id, id::USED_BY_PROCESS);
        assert_eq!(findings[0].subject.name, "0000:01:00.0");
        assert_eq!(findings[0].evidence.get("pid"), Some("4242"));
    }

    #[test]
    fn device_numbers_are_read_as_sysfs_writes_them() {
        let number = DeviceNumber::parse(DeviceKind::Character, "226:128").unwrap();
        assert_eq!((number.major, number.minor), (226, 128));
        for text in ["", "226", "226:", "226:x", "226:1:2", "-1:0"] {
            assert_eq!(DeviceNumber::parse(DeviceKind::Character, text), None, "{text}");
        }
    }

    #[test]
    fn a_bar_is_known_by_its_file_and_configuration_space_is_none() {
        let watch = Watch {
            functions: vec![gpu()],
            devices: Vec::new(),
        };
        let below = "/sys/devices/pci0000:00/0000:00:01.0";
        for (path, is_bar) in [
            ("0000:01:00.0/resource0", true),
            ("0000:01:00.0/resource1_wc", true),
            ("0000:01:00.0/resource", false),
            ("0000:01:00.0/config", false),
            ("0000:01:00.1/resource0", false),
        ] {
            let owner = watch.owner_of_bar(&format!("{below}/{path}"));
            assert_eq!(owner.is_some(), is_bar, "{path}");
        }
    }

    #[test]
    fn nvidia_names_the_minor_number() {
        let information = "Model: \t\t NVIDIA A10\nBus Location: \t 0000:01:00.0\nDevice Minor: \t 3\n";
        assert_eq!(nvidia_minor(information), Some(3));
        assert_eq!(nvidia_minor("Model: \t NVIDIA A10\n"), None);
    }
}

//! The device files through which functions are used, by their numbers.

use std::path::{Path, PathBuf};
use std::{fs, io};

use reseat_core::address::FunctionAddress;

use crate::linux::sysfs::attributes::FileError;
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{attributes, functions};
use crate::model::finding::{Finding, Subject, id};
use crate::model::usage::{DeviceKind, DeviceNumber, Interface, Seen, User, Watch, WatchedDevice, nvidia_minor};

/// A USB device's disk is nine directories below the function. More is no device of any kind known.
const DEEPEST: usize = 24;
/// All of NVIDIA's `/dev/nvidia0` and so on, as the kernel's `Documentation/admin-guide/devices.txt` has it.
const NVIDIA_MAJOR: u32 = 195;

/// A device file of a function that cannot be found out.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeviceError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("cannot list {path}: {cause}", path = path.display())]
    List { path: PathBuf, cause: io::Error },
    #[error("{path} holds `{text}`, not a device's number", path = path.display())]
    NoNumber { path: PathBuf, text: String },
    #[error("{path} names no minor number", path = path.display())]
    NoMinor { path: PathBuf },
    #[error("{path} is too deep", path = path.display())]
    TooDeep { path: PathBuf },
}

impl DeviceError {
    pub(super) fn finding(&self, function: FunctionAddress) -> Finding {
        Finding::error(id::DEVICE_FILES_UNKNOWN, Subject::function(function)).with("cause", self)
    }
}

/// What is to be looked for. Virtual functions and mediated devices are users found on the way.
pub(super) fn of(root: &Root, functions: &[FunctionAddress], seen: &mut Seen) -> Watch {
    let mut watch = Watch {
        functions: functions.to_owned(),
        devices: Vec::new(),
    };
    for function in functions {
        let mut survey = Survey {
            root,
            function: *function,
            watch: &mut watch,
            seen,
        };
        if let Err(error) = survey.run() {
            seen.obstacles.push(error.finding(*function));
        }
    }
    watch
}

/// A VFIO group that a function is in: its name below /sys/class/vfio and /dev/vfio, and its number.
pub(super) fn groups_of(root: &Root, function: FunctionAddress) -> Result<Vec<(String, DeviceNumber)>, DeviceError> {
    let link = root.function(function).join("iommu_group");
    let Some(group) = attributes::link_name(&link)? else {
        return Ok(Vec::new());
    };
    let mut groups = Vec::new();
    // The second where there is no IOMMU, and somebody has allowed that.
    for name in [group.clone(), format!("noiommu-{group}")] {
        let dev = root.path("/sys/class/vfio").join(&name).join("dev");
        if let Some(number) = number_if_there(&dev, DeviceKind::Character)? {
            groups.push((name, number));
        }
    }
    Ok(groups)
}

struct Survey<'a> {
    root: &'a Root,
    function: FunctionAddress,
    watch: &'a mut Watch,
    seen: &'a mut Seen,
}

impl Survey<'_> {
    fn run(&mut self) -> Result<(), DeviceError> {
        for (_, number) in groups_of(self.root, self.function)? {
            self.add(number, Interface::Vfio);
        }
        self.driver()?;
        self.virtual_functions()?;
        self.descend()
    }

    /// Files of the driver's own, which are not below the function.
    fn driver(&mut self) -> Result<(), DeviceError> {
        let driver = functions::driver_of(self.root, self.function)?;
        let number = match driver.as_deref() {
            Some("nvidia") => Some(self.nvidia()?),
            Some("amdgpu") => number_if_there(&self.root.path("/sys/class/kfd/kfd/dev"), DeviceKind::Character)?,
            _ => None,
        };
        if let Some(number) = number {
            self.add(number, Interface::Other);
        }
        Ok(())
    }

    fn add(&mut self, number: DeviceNumber, interface: Interface) {
        let function = self.function;
        self.watch.add(WatchedDevice {
            number,
            function,
            interface,
        });
    }

    fn nvidia(&mut self) -> Result<DeviceNumber, DeviceError> {
        let gpus = self.root.path("/proc/driver/nvidia/gpus");
        let path = gpus.join(self.function.to_string()).join("information");
        let text = attributes::read(&path)?;
        let minor = nvidia_minor(&text).ok_or(DeviceError::NoMinor { path })?;
        self.instances(minor)?;
        Ok(DeviceNumber {
            kind: DeviceKind::Character,
            major: NVIDIA_MAJOR,
            minor,
        })
    }

    /// The GPU instances of MIG, as NVIDIA's driver lists them: a reset destroys them.
    fn instances(&mut self, minor: u32) -> Result<(), DeviceError> {
        let instances = format!("/proc/driver/nvidia/capabilities/gpu{minor}/mig");
        let names = names_if_there(&self.root.path(&instances))?;
        let count = names.iter().filter(|name| name.starts_with("gi")).count();
        if count > 0 {
            let function = self.function;
            self.seen.users.push(User::Instances { function, count });
        }
        Ok(())
    }

    /// By their links: `sriov_numvfs` waits for the device's lock, which a reset that hangs may have.
    fn virtual_functions(&mut self) -> Result<(), DeviceError> {
        let directory = self.root.function(self.function);
        let names = names(&directory)?;
        let is_link = |name: &&String| {
            let number = name.strip_prefix("virtfn");
            number.is_some_and(|number| number.parse::<u16>().is_ok())
        };
        let count = names.iter().filter(is_link).count();
        if count > 0 {
            let function = self.function;
            self.seen.users.push(User::VirtualFunctions { function, count });
        }
        Ok(())
    }

    /// Every `dev` below the function. Links lead elsewhere; what is below another function is that one's.
    fn descend(&mut self) -> Result<(), DeviceError> {
        let mut rest = vec![(self.root.function(self.function), DeviceKind::Character, 0)];
        while let Some((directory, kind, depth)) = rest.pop() {
            if depth > DEEPEST {
                return Err(DeviceError::TooDeep { path: directory });
            }
            for name in names_if_there(&directory)? {
                let path = directory.join(&name);
                let is_directory = fs::symlink_metadata(&path).is_ok_and(|there| there.is_dir());
                match (is_directory, name.as_str()) {
                    (true, "block") => rest.push((path, DeviceKind::Block, depth + 1)),
                    (true, name) if name.parse::<FunctionAddress>().is_ok() => {}
                    (true, _) => {
                        self.mediated(&path, &name)?;
                        rest.push((path, kind, depth + 1));
                    }
                    (false, "dev") => self.device(&path, kind)?,
                    (false, _) => {}
                }
            }
        }
        Ok(())
    }

    fn device(&mut self, path: &Path, kind: DeviceKind) -> Result<(), DeviceError> {
        if let Some(number) = number_if_there(path, kind)? {
            // The function's own file, where the kernel has such.
            let is_vfio = path.components().any(|part| part.as_os_str() == "vfio-dev");
            let interface = if is_vfio { Interface::Vfio } else { Interface::Other };
            self.add(number, interface);
        }
        Ok(())
    }

    fn mediated(&mut self, path: &Path, name: &str) -> Result<(), DeviceError> {
        let subsystem = attributes::link_name(&path.join("subsystem"))?;
        if subsystem.as_deref() == Some("mdev") {
            self.seen.users.push(User::Mediated {
                function: self.function,
                name: name.to_owned(),
            });
        }
        Ok(())
    }
}

/// The number in a `dev` file; nothing if the device has gone meanwhile or never was.
fn number_if_there(path: &Path, kind: DeviceKind) -> Result<Option<DeviceNumber>, DeviceError> {
    let Some(text) = attributes::read_if_there(path)? else {
        return Ok(None);
    };
    match DeviceNumber::parse(kind, &text) {
        Some(number) => Ok(Some(number)),
        None => Err(DeviceError::NoNumber {
            path: path.to_owned(),
            text,
        }),
    }
}

fn names_if_there(directory: &PathBuf) -> Result<Vec<String>, DeviceError> {
    match fs::symlink_metadata(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        _ => names(directory),
    }
}

fn names(directory: &Path) -> Result<Vec<String>, DeviceError> {
    let failed = |cause| DeviceError::List {
        path: directory.to_owned(),
        cause,
    };
    let entries = fs::read_dir(directory).map_err(failed)?;
    let names = entries.map(|entry| Ok(entry.map_err(failed)?.file_name().to_string_lossy().into_owned()));
    names.collect()
}

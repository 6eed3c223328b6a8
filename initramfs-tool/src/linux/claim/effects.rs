//! One operation of a claim, done.

use std::error::Error;
use std::io;

use reseat_core::address::FunctionAddress;
use reseat_core::capability::power_management::PowerManagement;
use reseat_core::capability::view::ViewError;
use reseat_core::config::RegisterError;
use reseat_core::header::CapabilityPointer;
use reseat_core::presence::{Presence, RrsVisibility};

use crate::claim::{Attribute, Failure, FailureKind, Operation, OperationAnswer, PmcsrReading, PowerReading, Verb};
use crate::linux::sysfs::attributes::{Directory, FileError};
use crate::linux::sysfs::config_space::ConfigFile;
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{attributes, drivers};
use crate::model::display::Framebuffer;
use crate::model::finding::{Evidence, Finding, Id, Subject, id};
use crate::model::memory_map;

// As asm-generic/errno-base.h has them.
const EAGAIN: i32 = 11;
const EBUSY: i32 = 16;
const ENODEV: i32 = 19;
const EINVAL: i32 = 22;

/// Does operations, and remembers of each function where its files and its registers are.
pub(crate) struct Effects<'a> {
    root: &'a Root,
    directories: Vec<(FunctionAddress, Directory)>,
    /// None for a function that has no such registers.
    power: Vec<(FunctionAddress, Option<PowerManagement<ConfigFile>>)>,
}

impl<'a> Effects<'a> {
    pub(crate) fn new(root: &'a Root) -> Self {
        Self {
            root,
            directories: Vec::new(),
            power: Vec::new(),
        }
    }

    pub(crate) fn perform(&mut self, operation: &Operation) -> Result<OperationAnswer, Failure> {
        let function = operation.function;
        let answer = match &operation.verb {
            Verb::Probe => self.probe(function),
            Verb::Write { attribute, value } => self.write(function, *attribute, value),
            Verb::Unbind { driver } => self.hand_over(function, driver, "unbind"),
            Verb::Bind { driver } => self.hand_over(function, driver, "bind"),
            Verb::ReleaseFramebuffer(framebuffer) => self.draw(framebuffer, "unbind"),
            Verb::RestoreFramebuffer(framebuffer) => self.draw(framebuffer, "bind"),
            Verb::ReadDriver => self.link(function, "driver").map(OperationAnswer::Driver),
            Verb::ReadIommu => self.link(function, "iommu").map(OperationAnswer::Iommu),
            Verb::ReadMemory => self.read_memory(function),
            Verb::ReadPower => self.read_power(function).map(OperationAnswer::Power),
        };
        // Whatever is missing or went wrong at a function that is no longer there is so for that reason.
        let evidence = match &answer {
            Ok(OperationAnswer::NoSuchAttribute | OperationAnswer::Driver(None) | OperationAnswer::Iommu(None)) => {
                Evidence::default()
            }
            Ok(_) => return answer,
            Err(failure) => failure.finding.evidence.clone(),
        };
        if self.root.function(function).exists() {
            return answer;
        }
        let mut gone = about(function, id::FUNCTION_GONE);
        gone.evidence = evidence;
        Err(Failure {
            kind: FailureKind::Vanished,
            finding: gone,
        })
    }

    fn directory(&mut self, function: FunctionAddress) -> Result<&mut Directory, Failure> {
        let mut known = self.directories.iter();
        match known.position(|(known, _)| *known == function) {
            Some(place) => Ok(&mut self.directories[place].1),
            None => {
                let directory = Directory::open(self.root.function(function)).map_err(|error| file_failure(&error))?;
                Ok(&mut self.directories.push_mut((function, directory)).1)
            }
        }
    }

    /// The last part of what a link of the function points to; none where there is no such link.
    fn link(&mut self, function: FunctionAddress, name: &str) -> Result<Option<String>, Failure> {
        let directory = self.directory(function)?;
        directory.link_name(name).map_err(|error| file_failure(&error))
    }

    fn probe(&mut self, function: FunctionAddress) -> Result<OperationAnswer, Failure> {
        let directory = self.directory(function)?;
        let unreadable =
            |error: &dyn Error| Failure::other(about(function, id::CONFIG_UNREADABLE).with("cause", error));
        let mut config = ConfigFile::open_in(directory).map_err(|error| unreadable(&error))?;
        // Whether the root port above lets RRS be seen is not known here; no GPU's vendor is 0001.
        let presence = Presence::read(&mut config, RrsVisibility::Enabled);
        let identity = match presence.map_err(|error| unreadable(&error))? {
            Presence::Ready(identity) => identity,
            Presence::Absent => return Err(Failure::other(about(function, id::FUNCTION_ABSENT))),
            Presence::NotReady => return Err(Failure::other(about(function, id::FUNCTION_NOT_READY))),
            Presence::Zero => return Err(Failure::other(about(function, id::FUNCTION_READS_ZERO))),
        };
        let pointer = CapabilityPointer::read(&mut config).map_err(|error| unreadable(&error))?;
        // Where the power state cannot be verified, nothing is begun.
        let power = PowerManagement::search(config, pointer.unwrap_or(CapabilityPointer::None))
            .map_err(|end| Failure::other(about(function, id::POWER_STATE_UNVERIFIABLE).with("list", end)))?;
        let control = directory.read_to_write(Attribute::PowerControl.file());
        let answer = OperationAnswer::Present {
            identity,
            driver: directory.link_name("driver").map_err(|error| file_failure(&error))?,
            power_control: control.map_err(|error| file_failure(&error))?,
        };
        self.power.push((function, power));
        Ok(answer)
    }

    fn write(
        &mut self,
        function: FunctionAddress,
        attribute: Attribute,
        value: &str,
    ) -> Result<OperationAnswer, Failure> {
        let directory = self.directory(function)?;
        let before = directory.replace(attribute.file(), value);
        Ok(match before.map_err(|error| file_failure(&error))? {
            Some(before) => OperationAnswer::Written { before },
            None => OperationAnswer::NoSuchAttribute,
        })
    }

    /// Writes the function's address to the driver's `bind` or `unbind`.
    fn hand_over(&self, function: FunctionAddress, driver: &str, file: &str) -> Result<OperationAnswer, Failure> {
        let path = self.root.driver(driver).join(file);
        match attributes::write(&path, &function.to_string()) {
            Ok(()) => Ok(OperationAnswer::Accepted),
            Err(error) => {
                let mut failure = file_failure(&error);
                if let (Some(meaning), "bind") = (meaning_of_bind_error(error.cause()), file)
                    && drivers::is_vfio(self.root, driver)
                {
                    failure.finding = Finding::error(meaning, Subject::function(function))
                        .with("driver", driver)
                        .with("file", path.display())
                        .with("cause", error.cause());
                    // No driver matches a function that the kernel is still adding, whatever its override says.
                    if error.cause().raw_os_error() == Some(ENODEV) {
                        failure.kind = FailureKind::Again;
                    }
                }
                Err(failure)
            }
        }
    }

    /// Writes a framebuffer's name to its driver's `bind` or `unbind`. Where no driver draws there is nothing to do.
    fn draw(&self, framebuffer: &Framebuffer, file: &str) -> Result<OperationAnswer, Failure> {
        let Some(driver) = &framebuffer.driver else {
            return Ok(OperationAnswer::Accepted);
        };
        let path = self.root.path("/sys/bus/platform/drivers").join(driver).join(file);
        attributes::write(&path, &framebuffer.device).map_err(|error| file_failure(&error))?;
        Ok(OperationAnswer::Accepted)
    }

    fn read_memory(&self, function: FunctionAddress) -> Result<OperationAnswer, Failure> {
        let iomem = attributes::read_untrimmed(&self.root.path("/proc/iomem")).map_err(|error| file_failure(&error))?;
        let occupants = memory_map::occupants(&iomem).into_iter();
        let owners = occupants.filter(|(holder, _)| *holder == function);
        Ok(OperationAnswer::Memory(
            owners.map(|(_, owner)| owner.to_owned()).collect(),
        ))
    }

    fn read_power(&mut self, function: FunctionAddress) -> Result<PowerReading, Failure> {
        let pmcsr = self.read_pmcsr(function)?;
        let directory = self.directory(function)?;
        let read = |file: &str| directory.read_if_there(file).map_err(|error| file_failure(&error));
        Ok(PowerReading {
            power_state: read("power_state")?,
            pmcsr,
            runtime_status: read("power/runtime_status")?,
            control: read(Attribute::PowerControl.file())?,
            d3cold_allowed: read(Attribute::D3coldAllowed.file())?,
        })
    }

    /// The state in PMCSR; none where the function has no such register, which is then always in D0.
    fn read_pmcsr(&mut self, function: FunctionAddress) -> Result<Option<PmcsrReading>, Failure> {
        // The last probe counts.
        let mut probed = self.power.iter_mut();
        let power_management = match probed.rfind(|(probed, _)| *probed == function) {
            Some((_, Some(power_management))) => power_management,
            Some((_, None)) => return Ok(None),
            None => return Err(Failure::other(about(function, id::FUNCTION_NOT_PROBED))),
        };
        match power_management.control_status() {
            Ok(control_status) => Ok(Some(PmcsrReading::State(control_status.power_state()))),
            Err(ViewError::Register(RegisterError::AllOnes { .. })) => Ok(Some(PmcsrReading::AllOnes)),
            Err(error) => Err(Failure::other(
                about(function, id::PMCSR_UNREADABLE).with("cause", error),
            )),
        }
    }
}

#[inline(never)]
fn about(function: FunctionAddress, id: Id) -> Finding {
    Finding::error(id, Subject::function(function))
}

/// What the driver core or vfio-pci means by the error of a bind to it.
fn meaning_of_bind_error(error: &io::Error) -> Option<Id> {
    match error.raw_os_error()? {
        ENODEV => Some(id::BIND_NOT_MATCHED),
        EBUSY => Some(id::BIND_BUSY),
        EINVAL => Some(id::BIND_REFUSED),
        EAGAIN => Some(id::BIND_PUT_OFF),
        _ => None,
    }
}

fn file_failure(error: &FileError) -> Failure {
    let kind = match error.cause().raw_os_error() {
        Some(EBUSY) => FailureKind::Busy,
        Some(EAGAIN) => FailureKind::Again,
        _ => FailureKind::Other,
    };
    Failure {
        kind,
        finding: error.finding(),
    }
}

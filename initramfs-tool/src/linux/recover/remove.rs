//! Detach-SBR: the functions below the card root removed, the bus reset while it is empty, and scanned.

use reseat_core::address::FunctionAddress;
use reseat_core::recovery::Failure;

use super::trouble::Stop;
use crate::linux::survey::machine;
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{attributes, functions};
use crate::model::finding::{Finding, Subject, id};
use crate::model::subject::RecoverySubject;

/// The card root, and the buses below it.
pub(super) struct CardRoot {
    port: FunctionAddress,
    secondary: u8,
    subordinate: u8,
}

impl CardRoot {
    pub(super) fn of(root: &Root, subject: &RecoverySubject) -> Result<Self, Stop> {
        let Some(port) = subject.card_root else {
            let none = Finding::error(id::NO_PORT_ABOVE, Subject::gpu(subject.device));
            return Err(Stop::failed(Failure::NotSupported, none));
        };
        let number = |file: &str| -> Result<u8, Stop> {
            let path = root.function(port).join(file);
            let text = attributes::read(&path)?;
            let problem = || {
                let finding = Finding::error(id::NO_BUS_NUMBER, Subject::file(&path));
                Stop::failed(Failure::Io, finding.with("text", &text))
            };
            text.parse().map_err(|_| problem())
        };
        Ok(Self {
            port,
            secondary: number("secondary_bus_number")?,
            subordinate: number("subordinate_bus_number")?,
        })
    }

    /// The functions below, as the kernel lists them now. One that is listed and cannot be read is one of them.
    fn below(&self, root: &Root) -> Result<Vec<FunctionAddress>, Stop> {
        let listing = functions::list(root);
        if let Some(problem) = listing.problems.first() {
            return Err(Stop::failed(Failure::Io, problem.clone()));
        }
        let listed = listing.functions.iter().map(|function| function.address);
        let unreadable = listing.unreadable.iter().map(|(address, _)| *address);
        let buses = self.secondary..=self.subordinate;
        let is_below =
            |address: &FunctionAddress| address.segment() == self.port.segment() && buses.contains(&address.bus());
        Ok(listed.chain(unreadable).filter(is_below).collect())
    }

    /// The functions below that are not part of the GPU.
    pub(super) fn strangers(&self, root: &Root, subject: &RecoverySubject) -> Result<Vec<FunctionAddress>, Stop> {
        let mut below = self.below(root)?;
        below.retain(|address| !subject.has(*address));
        Ok(below)
    }

    /// Removes the GPU's functions and the card's switch, and nothing else.
    pub(super) fn remove_below(&self, root: &Root, subject: &RecoverySubject) -> Result<(), Stop> {
        self.check_no_stranger(root, subject)?;
        // The GPU itself last: what is beside it may need it.
        let functions = subject.members.iter().rev().map(|member| member.address);
        for function in functions.chain(subject.switch.iter().copied()) {
            let removed = attributes::write(&root.function(function).join("remove"), "1");
            match removed.map_err(Stop::from) {
                Err(stop) if stop.observation == reseat_core::recovery::Observation::Vanished => {}
                removed => removed?,
            }
        }
        self.check_empty(root)
    }

    fn check_no_stranger(&self, root: &Root, subject: &RecoverySubject) -> Result<(), Stop> {
        match self.strangers(root, subject)?.first() {
            Some(stranger) => {
                let finding = Finding::error(id::STRANGER_BELOW, Subject::function(*stranger));
                Err(Stop::failed(Failure::NotEmpty, finding.with("port", self.port)))
            }
            None => Ok(()),
        }
    }

    fn check_empty(&self, root: &Root) -> Result<(), Stop> {
        match self.below(root)?.first() {
            Some(left) => {
                let finding = Finding::error(id::STILL_BELOW, Subject::function(*left));
                Err(Stop::failed(Failure::NotEmpty, finding.with("port", self.port)))
            }
            None => Ok(()),
        }
    }

    /// Secondary bus reset with all functions in their place. Nothing is reset beside a stranger, nor with a function of the
    /// GPU missing.
    pub(super) fn reset_in_place(&self, root: &Root, subject: &RecoverySubject) -> Result<(), Stop> {
        self.check_no_stranger(root, subject)?;
        if let Some(missing) = subject
            .functions()
            .into_iter()
            .find(|function| !root.function(*function).exists())
        {
            let finding = Finding::error(id::FUNCTION_MISSING, Subject::function(missing));
            return Err(Stop::failed(Failure::Invalid, finding));
        }
        self.reset_subordinate(root)
    }

    /// Secondary bus reset on the empty bus.
    pub(super) fn reset_empty_bus(&self, root: &Root) -> Result<(), Stop> {
        self.check_empty(root)?;
        self.reset_subordinate(root)
    }

    fn reset_subordinate(&self, root: &Root) -> Result<(), Stop> {
        attributes::write(&root.function(self.port).join("reset_subordinate"), "1").map_err(|error| {
            match error.cause().kind() {
                std::io::ErrorKind::NotFound => Stop::failed(Failure::NotSupported, error.finding()),
                _ => error.into(),
            }
        })
    }

    /// Has the bus below the port scanned: that bus alone, as long as the kernel has it.
    pub(super) fn rescan(&self, root: &Root) -> Result<(), Stop> {
        let bus = format!("{:04x}:{:02x}", self.port.segment(), self.secondary);
        let of_bus = root.path("/sys/class/pci_bus").join(bus).join("rescan");
        let path = match of_bus.exists() {
            true => of_bus,
            false => root.function(self.port).join("rescan"),
        };
        Ok(attributes::write(&path, "1")?)
    }

    /// The slot below the port, by its name in sysfs.
    pub(super) fn slot(&self, root: &Root) -> Option<String> {
        machine::slot_below(root, self.port, self.secondary)
    }

    /// Switches the slot's power, unless it is so already.
    pub(super) fn switch_power(&self, root: &Root, value: &str) -> Result<(), Stop> {
        let Some(slot) = self.slot(root) else {
            let none = Finding::error(id::NO_SLOT, Subject::function(self.port));
            return Err(Stop::failed(Failure::NotSupported, none));
        };
        let path = root.path("/sys/bus/pci/slots").join(slot).join("power");
        if attributes::read(&path)? == value {
            return Ok(());
        }
        attributes::write(&path, value).map_err(|error| Stop::of_slot(&error))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use reseat_core::recovery::Observation;

    use super::*;
    use crate::model::subject::Member;

    fn add(root: &Root, address: &str, class: &str) {
        let directory = root.function(address.parse().unwrap());
        fs::create_dir_all(&directory).unwrap();
        for (file, text) in [
            ("vendor", "0x10de"),
            ("device", "0x2489"),
            ("class", class),
            ("remove", ""),
        ] {
            fs::write(directory.join(file), text).unwrap();
        }
    }

    fn removed(root: &Root, address: &str) -> bool {
        let file = root.function(address.parse().unwrap()).join("remove");
        !fs::read_to_string(file).unwrap().is_empty()
    }

    fn machine() -> (tempfile::TempDir, Root, RecoverySubject) {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::at(directory.path());
        add(&root, "0000:00:03.0", "0x060400");
        let port = root.function("0000:00:03.0".parse().unwrap());
        fs::write(port.join("secondary_bus_number"), "1").unwrap();
        fs::write(port.join("subordinate_bus_number"), "1").unwrap();
        add(&root, "0000:01:00.0", "0x030000");
        let member = Member {
            address: "0000:01:00.0".parse().unwrap(),
            identity: "10de:2489".parse().unwrap(),
            class: "030000".parse().unwrap(),
        };
        let subject = RecoverySubject {
            device: "0000:01:00".parse().unwrap(),
            function: member.address,
            members: vec![member],
            switch: Vec::new(),
            ports: vec!["0000:00:03.0".parse().unwrap()],
            card_root: Some("0000:00:03.0".parse().unwrap()),
        };
        (directory, root, subject)
    }

    #[test]
    fn a_stranger_below_the_port_keeps_everything_from_being_removed() {
        let (_directory, root, subject) = machine();
        add(&root, "0000:01:00.2", "0x010802");
        let card_root = CardRoot::of(&root, &subject).unwrap();
        let stop = card_root.remove_below(&root, &subject).unwrap_err();
        assert_eq!(stop.observation, Observation::Failed(Failure::NotEmpty));
        assert_eq!(stop.findings[0].id, id::STRANGER_BELOW);
        assert_eq!(stop.findings[0].subject.name, "0000:01:00.2");
        assert!(!removed(&root, "0000:01:00.0"));
    }

    #[test]
    fn the_bus_is_not_reset_while_something_is_on_it() {
        let (_directory, root, subject) = machine();
        let port = root.function("0000:00:03.0".parse().unwrap());
        fs::write(port.join("reset_subordinate"), "").unwrap();
        let card_root = CardRoot::of(&root, &subject).unwrap();
        let stop = card_root.reset_empty_bus(&root).unwrap_err();
        assert_eq!(stop.observation, Observation::Failed(Failure::NotEmpty));
        assert_eq!(fs::read_to_string(port.join("reset_subordinate")).unwrap(), "");
        fs::remove_dir_all(root.function("0000:01:00.0".parse().unwrap())).unwrap();
        card_root.reset_empty_bus(&root).unwrap();
        assert_eq!(fs::read_to_string(port.join("reset_subordinate")).unwrap(), "1\n");
    }

    #[test]
    fn a_kernel_without_reset_subordinate_does_not_support_it() {
        let (_directory, root, subject) = machine();
        fs::remove_dir_all(root.function("0000:01:00.0".parse().unwrap())).unwrap();
        let stop = CardRoot::of(&root, &subject)
            .unwrap()
            .reset_empty_bus(&root)
            .unwrap_err();
        assert_eq!(stop.observation, Observation::Failed(Failure::NotSupported));
    }
}

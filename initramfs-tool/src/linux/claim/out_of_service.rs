//! The quarantine, held against the GPUs that a claim finds.

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::capability::serial_number::SerialNumber;

use crate::linux::survey::serial_numbers;
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::slots;
use crate::model::identification::Identification;
use crate::model::inventory::{Gpu, Serial};
use crate::plan::Chosen;
use crate::records::boot_quarantine::AtBoot;

/// What stands against GPUs, and what there is to say of that.
pub(crate) struct OutOfService<'a> {
    root: &'a Root,
    quarantine: AtBoot,
    serials: Vec<(FunctionAddress, Serial)>,
    /// What somebody should look at.
    pub(crate) problems: Vec<String>,
    /// The GPUs that stand where another one did that is out of service, and what is known of that.
    pub(crate) replaced: Vec<(DeviceAddress, String)>,
}

impl<'a> OutOfService<'a> {
    /// Only where a serial number stands in the quarantine, `gpus` are asked for theirs: nobody else's boot reads a register
    /// for it.
    pub(crate) fn new(root: &'a Root, quarantine: AtBoot, gpus: &[Gpu]) -> Self {
        let serials = match quarantine.knows_serials() {
            true => serial_numbers::of_gpus(root, gpus),
            false => Vec::new(),
        };
        Self {
            root,
            quarantine,
            serials,
            problems: Vec::new(),
            replaced: Vec::new(),
        }
    }

    /// What stands against a GPU. Where nobody knows, it stands against every one that the rules choose: others were not ours.
    pub(crate) fn against(&mut self, gpu: &Gpu, chosen: Chosen) -> Option<String> {
        if self.quarantine.is_empty() {
            return None;
        }
        let serial = serial_numbers::of(&self.serials, gpu);
        let identification = self.identify(gpu, serial.number());
        if let Some(reason) = self.quarantine.against(&identification) {
            return Some(reason.to_owned());
        }
        let replaced = self.quarantine.replaced_by(&identification);
        self.replaced.extend(replaced.map(|other| (gpu.device, other)));
        match (self.quarantine.unknown(), chosen, serial) {
            (Some(_), Chosen::Yes, _) => Some("the quarantine cannot be read, which counts for every GPU".to_owned()),
            (None, Chosen::Yes, Serial::Unreadable(why)) => {
                let why = format!("{why}; whether it is a GPU that is out of service, and was moved, nobody can tell");
                self.problems.push(why);
                None
            }
            _ => None,
        }
    }

    fn identify(&mut self, gpu: &Gpu, serial: Option<SerialNumber>) -> Identification {
        slots::identify(self.root, gpu, serial).unwrap_or_else(|error| {
            self.problems.push(error.to_string());
            Identification::new(gpu, None, serial)
        })
    }
}

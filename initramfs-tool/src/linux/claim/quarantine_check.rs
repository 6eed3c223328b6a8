//! The quarantine, applied to the GPUs that a claim finds.

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::capability::serial_number::SerialNumber;

use crate::linux::survey::serial_numbers;
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::slots;
use crate::model::finding::{Finding, Subject, id};
use crate::model::identification::Identification;
use crate::model::inventory::{Gpu, Serial};
use crate::plan::{Chosen, OutOfService};
use crate::records::boot_quarantine::AtBoot;

/// The quarantine and the serial numbers of the GPUs that are there.
pub(crate) struct QuarantineCheck<'a> {
    root: &'a Root,
    quarantine: AtBoot,
    serials: Vec<(FunctionAddress, Serial)>,
    /// What somebody should look at.
    pub(crate) problems: Vec<Finding>,
    /// The GPUs that stand where another one did that is out of service, with a note on that one.
    pub(crate) replaced: Vec<(DeviceAddress, Finding)>,
}

impl<'a> QuarantineCheck<'a> {
    /// Reads the serial numbers of `gpus` only where one stands in the quarantine: nobody else's boot reads a register for it.
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

    /// The ground on which a GPU is out of service. A quarantine that cannot be read counts for every GPU that the rules
    /// choose: others were not ours.
    pub(crate) fn against(&mut self, gpu: &Gpu, chosen: Chosen) -> Option<OutOfService> {
        if self.quarantine.is_empty() {
            return None;
        }
        let serial = serial_numbers::of(&self.serials, gpu);
        let identification = self.identify(gpu, serial.number());
        if let Some(reason) = self.quarantine.against(&identification) {
            return Some(OutOfService::Noted(reason.to_owned()));
        }
        if let Some((other, reason)) = self.quarantine.replaced_by(&identification) {
            let note = Finding::note(id::QUARANTINE_REPLACED, Subject::gpu(gpu.device));
            let note = note.with("other", other).with("reason", reason);
            self.replaced.push((gpu.device, note));
        }
        match (self.quarantine.unknown(), chosen, serial) {
            (Some(_), Chosen::Yes, _) => Some(OutOfService::Unknown),
            (None, Chosen::Yes, Serial::Unreadable(problem)) => {
                let problem = problem.leads_to(id::QUARANTINE_SERIAL_NUMBER_UNREADABLE);
                self.problems.push(problem);
                None
            }
            _ => None,
        }
    }

    fn identify(&mut self, gpu: &Gpu, serial: Option<SerialNumber>) -> Identification {
        slots::identify(self.root, gpu, serial).unwrap_or_else(|error| {
            self.problems.push(error.finding());
            Identification::new(gpu, None, serial)
        })
    }
}

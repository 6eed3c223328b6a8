//! A GPU of a scene, and what stands beside it.

use std::fs::File;
use std::path::PathBuf;

use anyhow::{Context, Result};
use fake_gpu::process::FakeGpu;
use fake_gpu::profile::BoardDesign;
use reseat_vm::files::temporary_directory;
use reseat_vm::machine::{
    Among, DownstreamPort, KeptSlot, MachineSpec, Nvme, PartOf, RootPort, Siblings, Switch, VfioUser,
};
use tempfile::TempDir;

use crate::Stage;
use crate::layout::{BESIDE, Place, Site};

/// Enough to read from, and no more than zeros that take no room.
const DISK_SIZE: u64 = 16 << 20;

/// A GPU on the stage.
#[derive(Debug)]
pub struct Gpu {
    /// The process that serves it.
    pub fake: FakeGpu,
    /// Where it is in the guest, without a function: `0000:01:00`.
    pub device: String,
    /// The port above it in the guest: `0000:00:03.0`.
    pub port: String,
    /// Its slot, as the guest calls it.
    pub slot: u8,
    /// The disk beside it in the guest: `0000:01:00.2`.
    pub disk: Option<String>,
    site: Site,
    /// Where each function has its PMCSR.
    power_controls: Vec<u16>,
    directory: TempDir,
}

impl Gpu {
    pub(crate) fn start(stage: &Stage, design: &BoardDesign, site: Site) -> Result<Self> {
        let directory = temporary_directory("gpu")?;
        let functions = design.functions()?.into_iter();
        let power_controls = functions.map(|function| function.config_space().power_management_control());
        let fake = FakeGpu::start(&stage.fake_gpu, directory.path(), design).context("cannot start a fake GPU")?;
        let gpu = Self {
            fake,
            device: site.device(),
            port: site.port(),
            slot: site.gpu_slot(),
            disk: site.disk(),
            site,
            power_controls: power_controls.collect(),
            directory,
        };
        if gpu.disk.is_some() {
            let file = File::create(gpu.disk_file()).context("cannot make a disk")?;
            file.set_len(DISK_SIZE).context("cannot make a disk")?;
        }
        Ok(gpu)
    }

    /// How many functions it has.
    pub fn functions(&self) -> u8 {
        u8::try_from(self.power_controls.len()).unwrap_or(u8::MAX)
    }

    /// Returns true if a disk is a function of the same device.
    pub fn shares_its_device(&self) -> bool {
        self.site.place == Place::BesideDisk
    }

    /// The address of a function in the guest.
    pub fn function(&self, number: u8) -> String {
        format!("{}.{number}", self.device)
    }

    /// Where a function has its PMCSR.
    pub fn power_control(&self, function: u8) -> Option<u16> {
        self.power_controls.get(usize::from(function)).copied()
    }

    fn disk_file(&self) -> PathBuf {
        self.directory.path().join("disk")
    }

    /// Its functions as QEMU plugs them in.
    fn plugs(&self) -> Vec<VfioUser> {
        let alone = self.functions() == 1 && self.site.place != Place::BesideDisk;
        (0..self.functions())
            .map(|function| VfioUser {
                id: format!("gpu{}f{function}", self.site.index),
                port: self.site.gpu_port(),
                function,
                socket: self.fake.socket(function),
                siblings: if alone { Siblings::None } else { Siblings::Some },
            })
            .collect()
    }

    pub(crate) fn kept_slot(&self) -> KeptSlot {
        KeptSlot {
            port: self.site.port_place(),
            functions: self.plugs(),
        }
    }

    /// Adds it to a machine, with its port and its neighbour.
    pub(crate) fn install(&self, spec: MachineSpec) -> MachineSpec {
        let site = &self.site;
        let shares = site.place == Place::InOneGroup;
        let mut spec = spec.root_port(RootPort {
            id: site.root_port(),
            slot: site.slot,
            device: site.root_device,
            among: if shares { Among::Others(0) } else { Among::Alone },
        });
        if shares {
            spec = spec.root_port(RootPort {
                id: site.disk_port(),
                slot: site.slot + 1,
                device: site.root_device,
                among: Among::Others(1),
            });
        }
        let port = |id, slot| DownstreamPort { id, slot };
        let below = match site.place {
            Place::BehindSwitch => Some((
                PartOf::Machine,
                vec![
                    port(site.gpu_port(), site.gpu_slot()),
                    port(site.disk_port(), site.gpu_slot() + 1),
                ],
            )),
            Place::OwnSwitch => Some((PartOf::AmdCard, vec![port(site.gpu_port(), site.slot + 1)])),
            Place::Alone | Place::BesideDisk | Place::InOneGroup => None,
        };
        if let Some((part_of, downstream)) = below {
            spec = spec.switch(Switch {
                id: site.switch(),
                port: site.root_port(),
                downstream,
                part_of,
            });
        }
        for plug in self.plugs() {
            spec = spec.function(plug);
        }
        if self.disk.is_some() {
            spec = spec.disk(Nvme {
                id: format!("disk{}", site.index),
                port: site.disk_port(),
                function: if site.place == Place::BesideDisk { BESIDE } else { 0 },
                file: self.disk_file(),
            });
        }
        spec
    }
}

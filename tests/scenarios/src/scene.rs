//! A scene: one machine with its GPUs, booted once.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use fake_gpu::log::{Direction, Region};
use fake_gpu::profile::BoardDesign;
use reseat_vm::artifacts::Kernel;
use reseat_vm::console::Line;
use reseat_vm::files::GuestFile;
use reseat_vm::initramfs::Image;
use reseat_vm::machine::{Iommu, Machine, MachineSpec, SlotKeeper};
use serde_json::Value;

use crate::accesses::{accesses, now};
use crate::gpu::Gpu;
use crate::layout::{Layout, Place};
use crate::{Stage, contract};

/// A boot to the real root's shell takes about ten seconds here, and thirty where systemd runs the initramfs; a claim that
/// hangs adds its limit, and a busy host makes it many times as long.
const BOOT_TIMEOUT: Duration = Duration::from_secs(240);
const SHELL_TIMEOUT: Duration = Duration::from_secs(30);

/// What a machine is booted by, if not by QEMU itself.
#[derive(Clone, Copy, Debug)]
pub enum Firmware {
    /// A BIOS.
    Bios,
    /// UEFI.
    Uefi,
}

/// A machine that is to be booted.
#[derive(Debug)]
pub struct Scene<'a> {
    stage: &'a Stage,
    name: &'a str,
    image: Image,
    gpus: Vec<(BoardDesign, Place)>,
    append: String,
    iommu: Iommu,
    arguments: Vec<String>,
    traced: bool,
    firmware: Option<Firmware>,
    counted: bool,
    on_the_root: Vec<GuestFile>,
    memory_mib: Option<u32>,
}

impl<'a> Scene<'a> {
    /// A machine with an IOMMU and no GPU; `name` is for its log.
    pub fn new(stage: &'a Stage, name: &'a str, image: Image) -> Self {
        Self {
            stage,
            name,
            image,
            gpus: Vec::new(),
            append: String::new(),
            iommu: Iommu::Told,
            arguments: Vec::new(),
            traced: false,
            firmware: None,
            counted: false,
            on_the_root: Vec::new(),
            memory_mib: None,
        }
    }

    /// Adds a GPU behind a root port of its own; the first is at 0000:01:00, the next at 0000:02:00.
    #[must_use]
    pub fn gpu(self, design: BoardDesign) -> Self {
        self.gpu_at(design, Place::Alone)
    }

    /// Adds a GPU with neighbours; [`Gpu::device`] says where it is.
    #[must_use]
    pub fn gpu_at(mut self, design: BoardDesign, place: Place) -> Self {
        self.gpus.push((design, place));
        self
    }

    /// Has every write to configuration space written down, bridges' included.
    #[must_use]
    pub fn traced(mut self) -> Self {
        self.traced = true;
        self
    }

    /// Has firmware boot the machine, so that the kernel learns from it what is shown. A BIOS costs four seconds, UEFI
    /// twelve.
    #[must_use]
    pub fn booted_by(mut self, firmware: Firmware) -> Self {
        self.firmware = Some(firmware);
        self
    }

    /// Has the guest's clock count instructions, for times that are the same in every run.
    #[must_use]
    pub fn counted(mut self) -> Self {
        self.counted = true;
        self
    }

    /// Puts files on the real root.
    #[must_use]
    pub fn on_the_root(mut self, files: impl IntoIterator<Item = GuestFile>) -> Self {
        self.on_the_root.extend(files);
        self
    }

    /// Gives the machine so much memory, in MiB, in place of what is enough for the others.
    #[must_use]
    pub fn memory_mib(mut self, memory: u32) -> Self {
        self.memory_mib = Some(memory);
        self
    }

    /// Adds words to the kernel command line.
    #[must_use]
    pub fn append(mut self, words: &str) -> Self {
        self.append.push(' ');
        self.append.push_str(words);
        self
    }

    /// Sets the IOMMU.
    #[must_use]
    pub fn iommu(mut self, iommu: Iommu) -> Self {
        self.iommu = iommu;
        self
    }

    /// Adds arguments to QEMU's.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// Boots to the real root's shell.
    ///
    /// # Errors
    /// When a GPU or the machine does not start, or the boot does not come to its end.
    pub fn boot(self) -> Result<Running> {
        self.boot_while(|_, _| Ok(()))
    }

    /// Boots to the real root's shell, and has `meddle` do something while the machine boots.
    ///
    /// # Errors
    /// As [`Scene::boot`], and when the meddling fails.
    pub fn boot_while(self, meddle: impl FnOnce(&[Gpu], &Machine) -> Result<()>) -> Result<Running> {
        let root = self.stage.root(self.on_the_root)?;
        let kernel: Kernel = self.stage.kernel;
        let mut spec = MachineSpec::new(&self.stage.bed, self.name, kernel, &self.image, &root)?
            .append(&self.append)
            .iommu(self.iommu)
            .arguments(self.arguments);
        spec = match self.firmware {
            Some(Firmware::Bios) => spec.bios_boots(),
            Some(Firmware::Uefi) => spec.uefi_boots(&self.stage.bed)?,
            None => spec,
        };
        if let Some(memory) = self.memory_mib {
            spec = spec.memory_mib(memory);
        }
        if self.counted {
            spec = spec.count_instructions();
        }
        if self.traced {
            spec = spec.trace_config_writes();
        }
        let mut layout = Layout::default();
        let mut gpus = Vec::new();
        for (design, place) in &self.gpus {
            let gpu = Gpu::start(self.stage, design, layout.next(*place))?;
            spec = gpu.install(spec);
            gpus.push(gpu);
        }
        let mut machine = spec.start().context("cannot start the machine")?;
        meddle(&gpus, &machine)?;
        machine
            .wait_shell(BOOT_TIMEOUT)
            .context("the boot did not reach the real root")?;
        Ok(Running {
            machine,
            gpus,
            booted: now(),
            begun: Cell::new(now()),
            unclaimed: RefCell::default(),
        })
    }
}

/// A machine that has booted, and its GPUs.
#[derive(Debug)]
pub struct Running {
    /// The machine.
    pub machine: Machine,
    /// Its GPUs, in the order in which the scene named them.
    pub gpus: Vec<Gpu>,
    /// When the real root's shell was there, by the host's clock.
    pub booted: Duration,
    /// When the story began that is played now, by the same clock.
    pub(crate) begun: Cell<Duration>,
    /// The devices that were not claimed when the machine was remembered.
    pub(crate) unclaimed: RefCell<BTreeSet<String>>,
}

impl Running {
    /// What a command prints in the guest; it has to succeed.
    ///
    /// # Errors
    /// When it does not.
    pub fn shell(&self, command: &str) -> Result<String> {
        Ok(self.machine.must(command, SHELL_TIMEOUT)?)
    }

    /// Keeps the GPUs in their slots when the guest switches the slots' power: until this is dropped, a GPU whose slot
    /// loses power goes through a power cycle and is there again.
    pub fn keep_slots(&self) -> SlotKeeper {
        self.machine.keep_slots(self.gpus.iter().map(Gpu::kept_slot).collect())
    }

    /// The claim's report, as it is on the real root.
    ///
    /// # Errors
    /// When there is none, or it is no JSON.
    pub fn report(&self) -> Result<Value> {
        // Its status is that of the claim.
        let text = self.shell("reseat report --json || true")?;
        contract::document(&text)
    }

    /// The driver of each function of the guest's `device`, by function address; `-` for none.
    ///
    /// # Errors
    /// When the guest's sysfs cannot be read.
    pub fn drivers(&self, device: &str) -> Result<BTreeMap<String, String>> {
        let list = format!(
            "for f in /sys/bus/pci/devices/{device}.*; do \
             d=$(readlink $f/driver) || d=-; echo ${{f##*/}} ${{d##*/}}; done"
        );
        let text = self.shell(&list)?;
        text.lines()
            .map(|line| {
                let (function, driver) = line.split_once(' ').with_context(|| format!("no pair: `{line}`"))?;
                Ok((function.to_owned(), driver.to_owned()))
            })
            .collect()
    }

    /// An attribute of a function in the guest's sysfs.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn attribute(&self, function: &str, file: &str) -> Result<String> {
        let text = self.shell(&format!("cat /sys/bus/pci/devices/{function}/{file}"))?;
        Ok(text.trim().to_owned())
    }

    /// The lines of the console that reseat wrote, oldest first.
    pub fn claim_lines(&self) -> Vec<Line> {
        let lines = self.machine.console().lines();
        lines
            .into_iter()
            .filter(|line| line.text.contains("reseat: "))
            .collect()
    }

    /// The first line of the console that contains `text`.
    ///
    /// # Errors
    /// When there is none.
    pub fn line(&self, text: &str) -> Result<Line> {
        let lines = self.machine.console().lines();
        let found = lines.into_iter().find(|line| line.text.contains(text));
        found.ok_or_else(|| {
            anyhow!(
                "the console has no line with `{text}`; {}",
                self.machine.console().tail()
            )
        })
    }

    /// As [`Running::line`], among those that came since the story began that is played now.
    ///
    /// # Errors
    /// When there is none.
    pub fn new_line(&self, text: &str) -> Result<Line> {
        let lines = self.machine.console().lines().into_iter();
        let mut lines = lines.filter(|line| line.at >= self.begun.get());
        lines.find(|line| line.text.contains(text)).ok_or_else(|| {
            anyhow!(
                "the console has no new line with `{text}`; {}",
                self.machine.console().tail()
            )
        })
    }

    /// When somebody first read BAR0 of a GPU's function 0, as nouveau does when it comes to one.
    ///
    /// # Errors
    /// When nobody did.
    pub fn first_driver_read(&self, gpu: usize) -> Result<Duration> {
        let gpu = self.gpus.get(gpu).context("no such GPU")?;
        let mut reads = accesses(&gpu.fake, Region::Bar(0))?
            .into_iter()
            .filter(|(function, _, access)| *function == 0 && access.direction == Direction::Read);
        let (_, at, _) = reads
            .next()
            .with_context(|| format!("nobody read BAR0 of {}", gpu.device))?;
        Ok(at)
    }
}

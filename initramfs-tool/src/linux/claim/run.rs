//! One run of the claim: the machine is gathered, the rules are held against it, GPUs out of service are set aside, modules
//! loaded, and workers do the rest.
//!
//! The boot, a GPU that appears, `reseat rules check` and a return to service differ in what they put into a [`Run`].

use std::time::Instant;

use reseat_core::address::{DeviceAddress, FunctionAddress};

use super::machine::{self, Gathered};
use super::quarantine_check::QuarantineCheck;
use super::{backend, mask, modprobe, variants, workers};
use crate::claim::machine::occupied;
use crate::claim::{Aim, Limits, Memory, Target, VFIO_PCI};
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{drivers, functions};
use crate::model::display::SignKind;
use crate::model::finding::{Finding, Subject, id};
use crate::model::inventory::{self, Function, Gpu};
use crate::model::memory_map;
use crate::model::system_use::SystemUse;
use crate::plan::{self, ClaimPlan, Nothing, RuleOutcome};
use crate::records::boot_quarantine::AtBoot;
use crate::report::{ModuleReport, RunResult};
use crate::rules::Rule;

/// The name of the memory of the kernel's own device for the firmware's framebuffer.
const SYSFB: &str = "BOOTFB";

/// The inputs of a run.
pub(crate) struct Run<'a> {
    pub root: &'a Root,
    pub command_line: String,
    pub rules: Vec<Rule>,
    pub quarantine: AtBoot,
    pub extent: Extent,
    pub limits: Limits,
    /// The start of the time that the limits count.
    pub begin: Instant,
    /// True if nothing is to be touched.
    pub dry_run: bool,
    /// Done to a GPU before it is claimed; problems come back.
    pub before_claim: fn(&Root, DeviceAddress) -> Vec<Finding>,
    /// Problems that were found before.
    pub problems: Vec<Finding>,
    /// The uses of functions by the system that runs, where the claim of another boot is looked at from it.
    pub system_uses: Vec<SystemUse>,
}

/// The part of the machine that a run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it, before anything uses it.
    Machine,
    /// One GPU of a running machine. Drivers of the host may be at work beside it, and the rest was in the boot's report.
    Gpu(DeviceAddress),
}

impl Extent {
    fn covers(self, device: DeviceAddress) -> bool {
        match self {
            Self::Machine => true,
            Self::Gpu(only) => only == device,
        }
    }
}

impl Run<'_> {
    /// The plan, without a change to the machine.
    pub(crate) fn plan(self) -> ClaimPlan {
        let gathered = machine::gather(self.root, &self.rules, &self.command_line);
        plan::plan(self.rules, gathered.machine())
    }

    /// Claims what the plan says, and isolates what is out of service.
    pub(crate) fn carry_out(mut self) -> RunResult {
        let gathered = machine::gather(self.root, &self.rules, &self.command_line);
        let plan = self.limited_plan(&gathered);
        let mut result = RunResult {
            plan,
            problems: self.problems,
            vfio_pci: None,
            finished: Vec::new(),
            no_backend: None,
            occupied: Vec::new(),
            dry_run: self.dry_run,
            newest_function: gathered.listing.newest,
        };
        let effects = Effects {
            root: self.root,
            extent: self.extent,
            limits: self.limits,
            begin: self.begin,
            before_claim: self.before_claim,
        };
        match self.dry_run {
            true => effects.inspect(&mut result, &gathered.in_memory),
            false => effects.apply(&mut result, &gathered),
        }
        result
    }

    /// The plan for the part of the machine that this run is about, less what is out of service.
    fn limited_plan(&mut self, gathered: &Gathered) -> ClaimPlan {
        let (root, extent, listing) = (self.root, self.extent, &gathered.listing);
        let mut plan = plan::plan(std::mem::take(&mut self.rules), gathered.machine());
        if extent == Extent::Machine {
            self.problems.extend(listing.problems.iter().cloned());
        }
        self.problems.extend(gathered.problems.iter().cloned());
        if extent == Extent::Machine {
            self.problems.extend(unreported(&listing.unreadable, &plan));
        }
        let mut gpus = inventory::gpus_of(&listing.functions, &plan.portions);
        gpus.retain(|gpu| extent.covers(gpu.device));
        let mut quarantine = QuarantineCheck::new(root, self.quarantine.clone(), &gpus);
        plan.set_aside(&listing.functions, |gpu, chosen| match extent.covers(gpu.device) {
            true => quarantine.against(gpu, chosen),
            false => None,
        });
        plan.replaced = quarantine.replaced;
        self.problems.extend(quarantine.problems);
        plan.spare_the_system(std::mem::take(&mut self.system_uses));
        if let Extent::Gpu(device) = extent {
            plan.narrow_to(device);
            plan.spare_peers_at_work(|driver| drivers::is_vfio(root, driver));
        }
        let until = self.begin + self.limits.loading_ends;
        let (variants, problems) = variants::choose(root, &plan.claim, until);
        plan.variants = variants;
        self.problems.extend(problems);
        plan
    }
}

/// The part of a run that touches the machine.
struct Effects<'a> {
    root: &'a Root,
    extent: Extent,
    limits: Limits,
    begin: Instant,
    before_claim: fn(&Root, DeviceAddress) -> Vec<Finding>,
}

impl Effects<'_> {
    fn loading_ends(&self) -> Instant {
        self.begin + self.limits.loading_ends
    }

    /// Looks for vfio-pci, if anything would be claimed.
    fn inspect(&self, result: &mut RunResult, in_memory: &str) {
        if !result.plan.claim.is_empty() {
            result.occupied = in_the_way(&result.plan.claim, in_memory);
            result.vfio_pci = modprobe::inspect(self.root, &variants::running(self.root), self.loading_ends());
        }
    }

    fn apply(&self, result: &mut RunResult, gathered: &Gathered) {
        let mut targets = match result.plan.claim.is_empty() {
            true => Vec::new(),
            false => self.load(result, gathered),
        };
        for target in &targets {
            result.problems.extend((self.before_claim)(self.root, target.device));
        }
        // After those that are well, which are not to wait for one that hangs.
        let out_of_service = result.plan.out_of_service.iter();
        targets.extend(out_of_service.map(|(gpu, _)| Target::new(Aim::Isolate, gpu)));
        let ended = workers::claim(self.root, self.begin, self.limits, targets);
        result.finished = ended.finished;
        if self.extent == Extent::Machine {
            result.problems.extend(mask::held(self.root, &ended.held));
        }
        learn_groups(self.root, &mut result.plan);
    }

    /// Loads vfio-pci and its variants. Returns the GPUs to claim; none without vfio-pci.
    fn load(&self, result: &mut RunResult, gathered: &Gathered) -> Vec<Target> {
        let (root, until) = (self.root, self.loading_ends());
        let module = modprobe::provide_vfio_pci(root, until);
        let (plan, problems) = (&mut result.plan, &mut result.problems);
        problems.extend(taken_by_loading(root, &module, plan, &gathered.listing.functions));
        let mut targets = Vec::new();
        if module.problem.is_none() {
            problems.extend(variants::provide(root, &mut plan.variants, until));
            result.no_backend = backend::provide(root, until);
            let occupants = memory_map::occupants(&gathered.in_memory);
            targets.extend(plan.claim.iter().map(|gpu| target(gpu, plan, &occupants)));
            // What has a driver to be taken from may take long, and the others need not wait for it.
            targets.sort_by_key(|target| {
                plan.claim
                    .iter()
                    .any(|gpu| gpu.device == target.device && has_driver(gpu))
            });
        }
        result.vfio_pci = Some(module);
        targets
    }
}

/// Functions that could not be read and that neither a GPU nor a rule reports: a rule may have meant one of them.
fn unreported(unreadable: &[(FunctionAddress, Finding)], plan: &ClaimPlan) -> Vec<Finding> {
    let is_reported = |address: &FunctionAddress| {
        let device = address.device_address();
        let mut outcomes = plan.rules.iter().map(|(_, outcome)| outcome);
        plan.refused.iter().any(|(gpu, _)| gpu.device == device)
            || outcomes.any(|outcome| {
                matches!(outcome, RuleOutcome::Nothing(Nothing::CannotRead { address: named, .. }) if named == address)
            })
    };
    let unreported = unreadable.iter().filter(|(address, _)| !is_reported(address));
    unreported.map(|(_, problem)| problem.clone()).collect()
}

/// Finds out the groups that came with the drivers of a claim. One that cannot be read counts as none.
fn learn_groups(root: &Root, plan: &mut ClaimPlan) {
    for function in plan.claim.iter_mut().flat_map(|gpu| &mut gpu.functions) {
        if function.iommu_group.is_none() {
            function.iommu_group = functions::group_of(root, function.address).ok().flatten();
        }
    }
}

/// Returns true if a driver has any of its functions.
fn has_driver(gpu: &Gpu) -> bool {
    gpu.functions.iter().any(|function| function.driver.is_some())
}

/// The GPUs in whose memory the firmware's framebuffer stays, whatever a claim does: the kernel makes a device of it that has
/// the memory, and only where a function is VGA-compatible vfio-pci has that device taken away.
fn in_the_way(gpus: &[Gpu], in_memory: &str) -> Vec<(DeviceAddress, Finding)> {
    let occupants = memory_map::occupants(in_memory);
    let stays = |gpu: &Gpu| {
        let mut functions = gpu
            .functions
            .iter()
            .filter(|function| !function.class.is_vga_controller());
        functions.find_map(|function| {
            let mut there = occupants.iter();
            there.find(|(holder, name)| *holder == function.address && *name == SYSFB)
        })
    };
    let found = |gpu: &Gpu| stays(gpu).map(|(function, owner)| (gpu.device, occupied(*function, owner)));
    gpus.iter().filter_map(found).collect()
}

/// A GPU to claim, with the driver of each function and the framebuffers that are in the way.
fn target(gpu: &Gpu, plan: &ClaimPlan, occupants: &[(FunctionAddress, &str)]) -> Target {
    let mut target = Target::new(Aim::Claim, gpu);
    for function in &mut target.functions {
        let variant = plan.variant_of(function.address);
        if let Some(driver) = variant.and_then(|variant| variant.driver.clone()) {
            function.driver = driver;
        }
        if occupants.iter().any(|(holder, _)| *holder == function.address) {
            function.memory = Memory::Occupied;
        }
        let signs = plan.signs.iter().filter(|sign| sign.function == function.address);
        function.framebuffers = signs
            .filter_map(|sign| match &sign.kind {
                SignKind::Framebuffer(framebuffer) => Some(framebuffer.clone()),
                SignKind::TextConsole | SignKind::Device(_) => None,
            })
            .collect();
    }
    target
}

/// Functions that vfio-pci took by its own configuration (`ids=`) when it was loaded, though no rule chose them.
fn taken_by_loading(root: &Root, module: &ModuleReport, plan: &ClaimPlan, before: &[Function]) -> Vec<Finding> {
    if !module.loaded {
        return Vec::new();
    }
    let is_chosen = |function: &Function| plan.claim.iter().any(|gpu| gpu.function(function.address).is_some());
    let has_vfio_pci = |function: &Function| {
        let driver = functions::driver_of(root, function.address).ok().flatten();
        driver.as_deref() == Some(VFIO_PCI)
    };
    before
        .iter()
        .filter(|function| function.driver.is_none() && !is_chosen(function) && has_vfio_pci(function))
        .map(|function| {
            Finding::warning(id::VFIO_PCI_TOOK_OTHERS, Subject::function(function.address)).with("driver", VFIO_PCI)
        })
        .collect()
}

//! The machine against a kernel that is a few maps, with one thing going wrong at a time.

use std::collections::BTreeMap;

use reseat_core::capability::power_management::PowerState;

use super::*;
use crate::claim::{Aim, DmaIsolation, Leftover, NOBODY, PmcsrReading, TargetFunction, VFIO_PCI};
use crate::messages::sentence;

fn finding(text: &str) -> Finding {
    Finding::error(id::REPORT_IN_WORDS, Subject::machine()).with("text", text)
}

fn during(rollback: &Rollback) -> String {
    rollback.during.as_ref().unwrap().to_string()
}

/// What is left behind, in words.
fn as_text(leftovers: &[Leftover]) -> Vec<String> {
    leftovers.iter().map(crate::messages::report::leftover).collect()
}

const GPU: Identity = Identity {
    vendor: 0x10de,
    device: 0x2489,
};

/// What the claim of one function touches.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Device {
    driver: Option<String>,
    driver_override: String,
    d3cold_allowed: String,
    control: String,
}

impl Device {
    fn new(driver: Option<&str>) -> Self {
        Self {
            driver: driver.map(str::to_owned),
            driver_override: "(null)".to_owned(),
            d3cold_allowed: "1".to_owned(),
            control: "on".to_owned(),
        }
    }
}

/// Fails an operation: by its text, with this kind, so many times.
struct Fault {
    operation: &'static str,
    kind: FailureKind,
    times: usize,
}

struct Kernel {
    devices: BTreeMap<FunctionAddress, Device>,
    faults: Vec<Fault>,
    /// Functions that stay asleep for so many readings.
    sleepy: BTreeMap<FunctionAddress, usize>,
    /// The time that each probe takes, the last one for all that follow.
    probes: &'static [Duration],
    identity: Identity,
    /// The functions that were in no group, and whether one comes with the driver.
    groups_awaited: BTreeMap<FunctionAddress, bool>,
    /// A framebuffer in the first function's memory, if any, and whether its driver draws.
    framebuffer: Option<(Framebuffer, bool)>,
    /// The names that stay in the first function's memory, where there were some before; `None` where there were none.
    occupants: Option<&'static [&'static str]>,
    log: Vec<String>,
    now: Duration,
}

fn address(function: u8) -> FunctionAddress {
    FunctionAddress::new(0, 1, 0, function).unwrap()
}

impl Kernel {
    fn new(drivers: &[Option<&str>]) -> Self {
        let devices = drivers
            .iter()
            .zip(0..)
            .map(|(driver, index)| (address(index), Device::new(*driver)));
        Self {
            devices: devices.collect(),
            faults: Vec::new(),
            sleepy: BTreeMap::new(),
            probes: &[Duration::ZERO],
            identity: GPU,
            groups_awaited: BTreeMap::new(),
            framebuffer: None,
            occupants: None,
            log: Vec::new(),
            now: Duration::ZERO,
        }
    }

    fn failing(mut self, operation: &'static str, kind: FailureKind, times: usize) -> Self {
        self.faults.push(Fault { operation, kind, times });
        self
    }

    fn target(&self) -> Target {
        Target {
            aim: Aim::Claim,
            device: address(0).device_address(),
            functions: self
                .devices
                .keys()
                .map(|function| {
                    let mut target = TargetFunction::new(*function, GPU);
                    if self.groups_awaited.contains_key(function) {
                        target.isolation = DmaIsolation::Awaited;
                    }
                    if *function == address(0) {
                        target.framebuffers.extend(self.framebuffer.clone().map(|(it, _)| it));
                        target.memory = self.occupants.map_or(Memory::Free, |_| Memory::Occupied);
                    }
                    target
                })
                .collect(),
        }
    }

    fn run(&mut self) -> Outcome {
        let mut claim = Claim::new(&self.target());
        self.drive(&mut claim)
    }

    fn drive(&mut self, claim: &mut Claim) -> Outcome {
        for _ in 0..1000 {
            match claim.next(self.now) {
                Step::Do(operation) => {
                    self.log.push(operation.to_string());
                    let answer = self.perform(&operation);
                    claim.tell(self.now, answer);
                }
                Step::WaitUntil(time) => {
                    assert!(time > self.now, "a wait that waits for nothing");
                    self.now = time;
                }
                Step::Done(outcome) => return outcome,
            }
        }
        panic!("no end: {:?}", self.log);
    }

    fn perform(&mut self, operation: &Operation) -> Result<OperationAnswer, Failure> {
        let text = operation.to_string();
        if let Some(fault) = self
            .faults
            .iter_mut()
            .find(|fault| fault.operation == text && fault.times > 0)
        {
            fault.times -= 1;
            return Err(Failure {
                kind: fault.kind,
                finding: finding(&format!("fault in {text}")),
            });
        }
        let device = self.devices.get_mut(&operation.function).unwrap();
        Ok(match &operation.verb {
            Verb::Probe => {
                let (took, rest) = self.probes.split_first().unwrap();
                self.now += *took;
                if !rest.is_empty() {
                    self.probes = rest;
                }
                OperationAnswer::Present {
                    identity: self.identity,
                    driver: device.driver.clone(),
                    power_control: Some(device.control.clone()),
                }
            }
            Verb::Write { attribute, value } => {
                let file = match attribute {
                    Attribute::DriverOverride => &mut device.driver_override,
                    Attribute::D3coldAllowed => &mut device.d3cold_allowed,
                    Attribute::PowerControl => &mut device.control,
                };
                let value = if value.is_empty() { "(null)" } else { value };
                OperationAnswer::Written {
                    before: std::mem::replace(file, value.to_owned()),
                }
            }
            Verb::Unbind { driver } => {
                assert_eq!(device.driver.as_ref(), Some(driver));
                device.driver = None;
                OperationAnswer::Accepted
            }
            Verb::Bind { driver } => {
                assert_eq!(device.driver, None);
                assert!(
                    device.driver_override == "(null)" || device.driver_override == *driver,
                    "bound against its override"
                );
                device.driver = Some(driver.clone());
                if driver == VFIO_PCI {
                    // As its probe does: a pin that was written before is lost.
                    device.control = "auto".to_owned();
                }
                OperationAnswer::Accepted
            }
            Verb::ReleaseFramebuffer(_) | Verb::RestoreFramebuffer(_) => {
                let (_, draws) = self.framebuffer.as_mut().unwrap();
                let goes_back = matches!(operation.verb, Verb::RestoreFramebuffer(_));
                assert_ne!(*draws, goes_back, "{text}");
                *draws = goes_back;
                OperationAnswer::Accepted
            }
            Verb::ReadDriver => OperationAnswer::Driver(device.driver.clone()),
            Verb::ReadIommu => {
                let comes = self.groups_awaited[&operation.function] && device.driver.is_some();
                OperationAnswer::Iommu(comes.then(|| "smmu3.0x0000000009050000".to_owned()))
            }
            Verb::ReadMemory => {
                let occupants = self.occupants.unwrap_or_default().iter();
                OperationAnswer::Memory(occupants.map(|name| (*name).to_owned()).collect())
            }
            Verb::ReadPower => {
                let sleepy = self.sleepy.entry(operation.function).or_default();
                let asleep = *sleepy > 0;
                *sleepy = sleepy.saturating_sub(1);
                let state = if asleep { PowerState::D3hot } else { PowerState::D0 };
                OperationAnswer::Power(PowerReading {
                    power_state: Some("D0".to_owned()),
                    pmcsr: Some(PmcsrReading::State(state)),
                    runtime_status: Some("active".to_owned()),
                    control: Some(device.control.clone()),
                    d3cold_allowed: Some(device.d3cold_allowed.clone()),
                })
            }
        })
    }

    fn position(&self, operation: &str) -> usize {
        let found = self.log.iter().position(|logged| logged == operation);
        found.unwrap_or_else(|| panic!("`{operation}` is not in {:#?}", self.log))
    }
}

#[test]
fn every_function_ends_on_vfio_pci_pinned() {
    let mut kernel = Kernel::new(&[None, Some("snd_hda_intel")]);
    let outcome = kernel.run();
    assert_eq!(outcome.rollback, None);
    for device in kernel.devices.values() {
        assert_eq!(device.driver.as_deref(), Some("vfio-pci"));
        assert_eq!(device.driver_override, "vfio-pci");
        assert_eq!(device.d3cold_allowed, "0");
        assert_eq!(device.control, "on", "the pin comes after the bind, which undoes it");
    }
    assert_eq!(outcome.power.len(), 2);
}

#[test]
fn a_group_that_is_awaited_has_to_have_come_with_the_driver() {
    let mut kernel = Kernel::new(&[None, None]);
    kernel.groups_awaited.insert(address(1), true);
    assert_eq!(kernel.run().rollback, None);
    let seen = kernel.position("read the IOMMU of 0000:01:00.1");
    assert!(seen > kernel.position("bind 0000:01:00.1 to vfio-pci"));
    // The other's was known.
    assert!(!kernel.log.iter().any(|line| line == "read the IOMMU of 0000:01:00.0"));
}

#[test]
fn a_group_that_has_not_come_rolls_the_gpu_back() {
    let before = Kernel::new(&[Some("nouveau"), None]);
    let expected = before.devices.clone();
    let mut kernel = before;
    kernel.groups_awaited.insert(address(0), false);
    let rollback = kernel.run().rollback.unwrap();
    assert_eq!(
        sentence(&rollback.failure.finding),
        "0000:01:00.0 is behind no IOMMU, also after the bind to vfio-pci"
    );
    assert_eq!(kernel.devices, expected);
}

#[test]
fn every_override_comes_before_the_first_unbind_and_bind() {
    let mut kernel = Kernel::new(&[Some("nouveau"), None]);
    kernel.run();
    let last_override = kernel.position("write vfio-pci to driver_override of 0000:01:00.1");
    let unbind = kernel.position("unbind 0000:01:00.0 from nouveau");
    let first_bind = kernel.position("bind 0000:01:00.0 to vfio-pci");
    assert!(last_override < unbind && unbind < first_bind, "{:#?}", kernel.log);
    assert!(kernel.position("write 0 to d3cold_allowed of 0000:01:00.1") < first_bind);
}

#[test]
fn a_claimed_gpu_is_claimed_again_without_a_bind() {
    let mut kernel = Kernel::new(&[Some("vfio-pci"), Some("vfio-pci")]);
    let outcome = kernel.run();
    assert_eq!(outcome.rollback, None);
    assert!(
        !kernel.log.iter().any(|line| line.contains("bind ")),
        "{:#?}",
        kernel.log
    );
    assert_eq!(kernel.devices[&address(1)].control, "on");
}

#[test]
fn one_function_that_cannot_bind_rolls_the_whole_gpu_back() {
    let before = Kernel::new(&[Some("nouveau"), Some("snd_hda_intel"), None]);
    let expected = before.devices.clone();
    let mut kernel = before.failing("bind 0000:01:00.2 to vfio-pci", FailureKind::Other, 1);
    let rollback = kernel.run().rollback.unwrap();
    assert_eq!(rollback.function, Some(address(2)));
    assert_eq!(during(&rollback), "bind 0000:01:00.2 to vfio-pci");
    assert_eq!(rollback.leftovers, Vec::new());
    assert_eq!(kernel.devices, expected);
}

#[test]
fn nothing_is_changed_where_a_function_does_not_answer() {
    let before = Kernel::new(&[Some("nouveau"), None]);
    let expected = before.devices.clone();
    let mut kernel = before.failing("read config of 0000:01:00.1", FailureKind::Other, 1);
    assert!(kernel.run().rollback.is_some());
    assert_eq!(kernel.devices, expected);
    assert!(
        !kernel.log.iter().any(|line| line.starts_with("write")),
        "{:#?}",
        kernel.log
    );
}

#[test]
fn a_failure_anywhere_leaves_everything_as_it_was() {
    let clean = Kernel::new(&[Some("nouveau"), None]);
    let mut rehearsal = Kernel::new(&[Some("nouveau"), None]);
    rehearsal.run();
    for operation in rehearsal.log.clone() {
        let mut kernel = Kernel::new(&[Some("nouveau"), None]);
        kernel.faults.push(Fault {
            operation: operation.clone().leak(),
            kind: FailureKind::Other,
            times: 1,
        });
        let rollback = kernel.run().rollback;
        assert!(rollback.is_some(), "{operation}");
        assert_eq!(kernel.devices, clean.devices, "{operation}");
    }
}

#[test]
fn what_cannot_be_taken_back_is_named() {
    let mut kernel = Kernel::new(&[Some("nouveau"), None])
        .failing("bind 0000:01:00.1 to vfio-pci", FailureKind::Other, 1)
        .failing("bind 0000:01:00.0 to nouveau", FailureKind::Other, 1);
    let rollback = kernel.run().rollback.unwrap();
    assert_eq!(rollback.leftovers.len(), 1);
    assert!(
        as_text(&rollback.leftovers)[0].starts_with("bind 0000:01:00.0 to nouveau: "),
        "{rollback:?}"
    );
}

#[test]
fn a_function_that_vanished_has_nothing_to_take_back() {
    let mut kernel = Kernel::new(&[None, None])
        .failing("bind 0000:01:00.1 to vfio-pci", FailureKind::Vanished, 1)
        .failing("clear driver_override of 0000:01:00.1", FailureKind::Vanished, 1)
        .failing("write 1 to d3cold_allowed of 0000:01:00.1", FailureKind::Vanished, 1);
    let rollback = kernel.run().rollback.unwrap();
    assert_eq!(rollback.leftovers, Vec::new());
    assert_eq!(kernel.devices[&address(0)], Device::new(None));
}

#[test]
fn a_bind_that_the_kernel_puts_off_is_tried_again_for_a_while() {
    let mut kernel = Kernel::new(&[None]).failing("bind 0000:01:00.0 to vfio-pci", FailureKind::Again, 3);
    assert_eq!(kernel.run().rollback, None);
    assert!(kernel.now >= BIND_RETRY_PAUSE * 3);

    let mut kernel = Kernel::new(&[None]).failing("bind 0000:01:00.0 to vfio-pci", FailureKind::Again, usize::MAX);
    let rollback = kernel.run().rollback.unwrap();
    assert_eq!(rollback.failure.kind, FailureKind::Again);
    assert!(
        kernel.now >= BIND_RETRY_LIMIT && kernel.now < BIND_RETRY_LIMIT * 2,
        "{:?}",
        kernel.now
    );
}

#[test]
fn a_function_that_was_exchanged_since_it_was_listed_is_not_claimed() {
    let mut kernel = Kernel::new(&[None]);
    kernel.identity.device = 0x1eb8;
    let rollback = kernel.run().rollback.unwrap();
    assert_eq!(
        sentence(&rollback.failure.finding),
        "0000:01:00.0 is 10de:1eb8, and was listed as 10de:2489"
    );
    assert_eq!(kernel.devices[&address(0)], Device::new(None));
}

#[test]
fn a_function_is_looked_at_few_times_while_it_wakes() {
    let mut kernel = Kernel::new(&[None]);
    kernel.sleepy.insert(address(0), usize::MAX);
    kernel.run();
    let looks = kernel
        .log
        .iter()
        .filter(|line| line.starts_with("read the power state"))
        .count();
    assert!(looks <= 12, "each look is a read of configuration space: {looks}");
}

/// What a probe takes, and what the next one takes.
const SLOW: [Duration; 2] = [Duration::from_secs(2), Duration::from_millis(100)];

/// Each read takes 400 ms: a bind would hold its caller in the kernel for far longer than a claim may take.
#[test]
fn of_a_function_that_answers_slowly_nothing_is_begun() {
    let mut kernel = Kernel::new(&[None, None]);
    kernel.probes = &SLOW[..1];
    let rollback = kernel.run().rollback.unwrap();
    assert_eq!(
        sentence(&rollback.failure.finding),
        "0000:01:00.0 answers too slowly: a look at its registers took 2.0 s"
    );
    assert_eq!(kernel.log, ["read config of 0000:01:00.0"; 2]);
    assert!(kernel.now < Duration::from_secs(5), "{:?}", kernel.now);
}

#[test]
fn a_function_that_the_first_look_wakes_is_claimed() {
    let mut kernel = Kernel::new(&[None, None]);
    kernel.probes = &SLOW;
    assert_eq!(kernel.run().rollback, None);
    assert!(
        kernel
            .devices
            .values()
            .all(|device| device.driver.as_deref() == Some("vfio-pci"))
    );
}

#[test]
fn busy_is_settled_by_the_driver_link() {
    // Somebody bound it to vfio-pci in between: as good as our own bind.
    let mut kernel = Kernel::new(&[None]).failing("bind 0000:01:00.0 to vfio-pci", FailureKind::Busy, 1);
    let mut claim = Claim::new(&kernel.target());
    while let Step::Do(operation) = claim.next(kernel.now) {
        if matches!(operation.verb, Verb::Bind { .. }) {
            kernel.devices.get_mut(&address(0)).unwrap().driver = Some("vfio-pci".to_owned());
        }
        let answer = kernel.perform(&operation);
        claim.tell(kernel.now, answer);
    }
    assert_eq!(claim.rollback(), None);

    // Nobody has it: the refusal stands, with its own reason.
    let mut kernel = Kernel::new(&[None]).failing("bind 0000:01:00.0 to vfio-pci", FailureKind::Busy, 1);
    let rollback = kernel.run().rollback.unwrap();
    assert_eq!(
        sentence(&rollback.failure.finding),
        "fault in bind 0000:01:00.0 to vfio-pci"
    );
}

#[test]
fn a_function_that_wakes_late_is_waited_for_and_one_that_does_not_is_rolled_back() {
    let mut kernel = Kernel::new(&[None]);
    kernel.sleepy.insert(address(0), 5);
    assert_eq!(kernel.run().rollback, None);

    let mut kernel = Kernel::new(&[None]);
    kernel.sleepy.insert(address(0), usize::MAX);
    let rollback = kernel.run().rollback.unwrap();
    assert_eq!(
        sentence(&rollback.failure.finding),
        "0000:01:00.0 is not in D0 and pinned: power_state D0, PMCSR D3hot, runtime_status active, control on, \
         d3cold_allowed 0"
    );
    assert_eq!(kernel.devices[&address(0)], Device::new(None));
}

#[test]
fn the_way_back_alone_undoes_what_another_claim_did() {
    let mut kernel = Kernel::new(&[Some("nouveau"), None]);
    let before = kernel.devices.clone();
    let mut claim = Claim::new(&kernel.target());
    let mut changes = Vec::new();
    // The first worker gets as far as the first bind.
    while let Step::Do(operation) = claim.next(Duration::ZERO) {
        let answer = kernel.perform(&operation);
        changes.extend(claim.tell(Duration::ZERO, answer));
        if matches!(operation.verb, Verb::Bind { .. }) {
            break;
        }
    }
    assert_ne!(kernel.devices, before);
    let rollback = Rollback {
        function: None,
        during: None,
        failure: Failure {
            kind: FailureKind::Blocked,
            finding: finding("stopped"),
        },
        leftovers: Vec::new(),
    };
    let outcome = kernel.drive(&mut Claim::undo(&changes, rollback));
    assert_eq!(outcome.rollback.unwrap().leftovers, Vec::new());
    assert_eq!(kernel.devices, before);
}

impl Kernel {
    fn isolate(&mut self) -> Outcome {
        let mut target = self.target();
        target.aim = Aim::Isolate;
        self.drive(&mut Claim::new(&target))
    }
}

#[test]
fn an_isolated_gpu_is_on_no_driver_and_was_not_asked() {
    let mut kernel = Kernel::new(&[Some("nouveau"), Some("vfio-pci"), None]);
    assert_eq!(kernel.isolate().rollback, None);
    for device in kernel.devices.values() {
        assert_eq!(
            (device.driver.as_deref(), device.driver_override.as_str()),
            (None, NOBODY)
        );
    }
    assert!(
        !kernel.log.iter().any(|line| line.contains("config")),
        "{:?}",
        kernel.log
    );
    let last_override = kernel.position("write reseat-quarantine to driver_override of 0000:01:00.2");
    assert!(last_override < kernel.position("unbind 0000:01:00.0 from nouveau"));
}

#[test]
fn what_an_isolation_does_not_reach_is_named_and_the_rest_stays_isolated() {
    let mut kernel = Kernel::new(&[Some("nouveau"), Some("snd_hda_intel")]).failing(
        "unbind 0000:01:00.0 from nouveau",
        FailureKind::Busy,
        1,
    );
    let shortfall = kernel.isolate().rollback.unwrap();
    assert_eq!(during(&shortfall), "unbind 0000:01:00.0 from nouveau");
    assert_eq!(
        as_text(&shortfall.leftovers),
        ["read driver of 0000:01:00.0: 0000:01:00.0 is still on nouveau"]
    );
    assert_eq!(kernel.devices[&address(1)].driver, None);
    assert!(kernel.devices.values().all(|device| device.driver_override == NOBODY));
}

#[test]
fn a_function_that_is_not_there_needs_no_isolation() {
    let mut kernel = Kernel::new(&[None])
        .failing("read driver of 0000:01:00.0", FailureKind::Vanished, 2)
        .failing(
            "write reseat-quarantine to driver_override of 0000:01:00.0",
            FailureKind::Vanished,
            1,
        );
    assert_eq!(kernel.isolate().rollback, None);
}

fn with_framebuffer() -> Kernel {
    let framebuffer = Framebuffer {
        device: "efi-framebuffer.0".to_owned(),
        driver: Some("efi-framebuffer".to_owned()),
    };
    Kernel {
        framebuffer: Some((framebuffer, true)),
        ..Kernel::new(&[None, None])
    }
}

#[test]
fn a_framebuffer_lets_go_before_the_bind_and_is_given_back_with_the_gpu() {
    const RELEASE: &str = "release efi-framebuffer.0 on driver efi-framebuffer in 0000:01:00.0";
    let mut kernel = with_framebuffer();
    assert_eq!(kernel.run().rollback, None);
    assert!(kernel.position(RELEASE) < kernel.position("bind 0000:01:00.0 to vfio-pci"));
    assert!(!kernel.framebuffer.unwrap().1, "it still draws");

    let mut kernel = with_framebuffer().failing("bind 0000:01:00.1 to vfio-pci", FailureKind::Other, 1);
    assert!(kernel.run().rollback.is_some());
    assert!(
        kernel.position("unbind 0000:01:00.0 from vfio-pci") < kernel.position(&RELEASE.replace("release", "restore"))
    );
    assert!(kernel.framebuffer.unwrap().1, "it does not draw again");
}

#[test]
fn what_stays_in_the_memory_after_the_bind_undoes_the_claim_and_what_went_does_not() {
    const READ: &str = "read who lies in the memory of 0000:01:00.0";
    let mut kernel = with_framebuffer();
    kernel.occupants = Some(&["BOOTFB"]);
    let rollback = kernel.run().rollback.unwrap();
    assert_eq!(
        crate::messages::line(&rollback.failure.finding),
        "BOOTFB lies in the memory of 0000:01:00.0, so that no VM can have it; add `initcall_blacklist=sysfb_init` to the \
         kernel command line"
    );
    assert!(kernel.position("bind 0000:01:00.0 to vfio-pci") < kernel.position(READ));
    assert!(kernel.framebuffer.as_ref().unwrap().1, "it does not draw again");
    assert!(kernel.devices.values().all(|device| device.driver.is_none()));
    assert_eq!(rollback.leftovers, []);

    let mut kernel = with_framebuffer();
    kernel.occupants = Some(&[]);
    assert_eq!(kernel.run().rollback, None);
    // Who was never there is not looked for.
    let mut kernel = Kernel::new(&[None]);
    assert_eq!(kernel.run().rollback, None);
    assert!(!kernel.log.iter().any(|done| done == READ));
}

#[test]
fn a_variant_gets_its_function_and_vfio_pci_the_others() {
    let mut kernel = Kernel::new(&[Some("vfio-pci"), None]);
    let mut target = kernel.target();
    target.functions[0].driver = "nvgrace_gpu_vfio_pci".to_owned();
    let outcome = kernel.drive(&mut Claim::new(&target));
    assert_eq!(outcome.rollback, None);
    let on = |function| kernel.devices[&address(function)].driver.as_deref();
    assert_eq!((on(0), on(1)), (Some("nvgrace_gpu_vfio_pci"), Some("vfio-pci")));
    assert_eq!(kernel.devices[&address(0)].driver_override, "nvgrace_gpu_vfio_pci");
}

/// What was begun on a function when the time was over may still hold it: whoever touches it may block as well.
#[test]
fn the_way_back_comes_last_to_the_function_that_may_be_held() {
    let [first, second] = [0, 1].map(|function| FunctionAddress::new(0, 1, 0, function).unwrap());
    let cleared = |function| Change {
        function,
        undo: Verb::Write {
            attribute: Attribute::DriverOverride,
            value: String::new(),
        },
    };
    let bound = |function| Change {
        function,
        undo: Verb::Bind {
            driver: "nouveau".to_owned(),
        },
    };
    let changes = [cleared(first), cleared(second), bound(first), bound(second)];
    let rollback = Rollback {
        function: Some(second),
        during: None,
        failure: Failure::other(finding("the time for the claim was over")),
        leftovers: Vec::new(),
    };
    let mut claim = Claim::undo(&changes, rollback);
    let mut order = Vec::new();
    while let Step::Do(operation) = claim.next(Duration::ZERO) {
        order.push((operation.function, matches!(operation.verb, Verb::Bind { .. })));
        claim.tell(Duration::ZERO, Ok(OperationAnswer::Accepted));
    }
    assert_eq!(order, [(first, false), (first, true), (second, false), (second, true)]);
}

#[test]
fn what_this_kernel_lacks_is_said_once() {
    let function = FunctionAddress::new(0, 1, 0, 0).unwrap();
    let mut claim = Claim::new(&Target {
        aim: Aim::Claim,
        device: function.device_address(),
        functions: vec![TargetFunction::new(function, GPU)],
    });
    let present = OperationAnswer::Present {
        identity: GPU,
        driver: None,
        power_control: None,
    };
    for answer in [present, OperationAnswer::NoSuchAttribute] {
        assert!(matches!(claim.next(Duration::ZERO), Step::Do(_)));
        claim.tell(Duration::ZERO, Ok(answer));
    }
    assert_eq!(
        format!(
            "{}: {}",
            during(claim.rollback().unwrap()),
            sentence(&claim.rollback().unwrap().failure.finding)
        ),
        "write vfio-pci to driver_override of 0000:01:00.0: this kernel has no such attribute"
    );
}

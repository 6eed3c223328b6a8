//! What is decided without a worker, on a directory that stands for `/`.

use std::fs;
use std::ops::Deref;

use super::*;
use crate::linux::read_quarantine;
use crate::linux::recover::return_to_service::{Return, Returned, return_to_service};
use crate::linux::test_root::TestRoot;
use crate::rules::Contract;

const LEDGER: &str = "/var/lib/reseat/quarantine.json";
const FROZEN: &str = include_str!("../../../records/quarantine/quarantine-2.json");

/// A machine whose rules choose the GPU at 0000:01:00.
struct Machine(TestRoot);

impl Deref for Machine {
    type Target = TestRoot;

    fn deref(&self) -> &TestRoot {
        &self.0
    }
}

impl Machine {
    fn new() -> Self {
        let machine = TestRoot::with_processes();
        machine.write("/proc/cmdline", "reseat.claim=0000:01:00.0");
        Self(machine)
    }

    /// On the driver, or on none.
    fn with_gpu(self, bus: u8, driver: Option<&str>) -> Self {
        let address = format!("0000:{bus:02x}:00.0");
        let identity = [("vendor", "0x10de\n"), ("device", "0x2231\n"), ("class", "0x030000\n")];
        self.function(&address, &identity);
        if let Some(driver) = driver {
            self.on_driver(&address, driver);
        }
        self
    }

    fn with_ledger(self, content: &str) -> Self {
        self.write(LEDGER, content);
        self
    }

    fn force(&self, device: &str) -> Result<Returned, QuarantineError> {
        let how = Return::Force("it was pulled out".to_owned());
        let contract = Contract::default();
        return_to_service(&self.root(), device.parse().unwrap(), &how, &contract, &mut |_| {})
    }
}

/// The frozen ledger, which names 0000:01:00, with nothing lost.
fn ledger() -> String {
    let mut file: serde_json::Value = serde_json::from_str(FROZEN).unwrap();
    file["lost"] = serde_json::Value::Null;
    file.to_string()
}

fn device(bus: u8) -> DeviceAddress {
    format!("0000:{bus:02x}:00").parse().unwrap()
}

#[test]
fn what_is_not_there_cannot_be_taken_out_of_service() {
    let machine = Machine::new();
    let error = quarantine(&machine.root(), device(1), "loud").unwrap_err();
    let [finding] = error.findings().try_into().unwrap();
    assert_eq!(
        (&finding.id, finding.subject.name.as_str()),
        (&id::NO_GPU_AT, "0000:01:00")
    );
    assert!(!machine.root().path(LEDGER).exists());
}

#[test]
fn one_that_was_pulled_out_is_not_there_and_can_be_struck_off() {
    let machine = Machine::new().with_ledger(&ledger());
    let applied = apply(&machine.root());
    assert_eq!(applied.gpus, [(device(1), IsolationResult::NotThere)]);
    assert_eq!(applied.findings, Vec::new());
    assert_eq!(machine.force("0000:01:00").unwrap(), Returned::Back);
    let State::Known(ledger) = read_quarantine(&machine.root()) else {
        panic!("the ledger cannot be read")
    };
    assert!(ledger.entries.is_empty());
    let reason = "it was pulled out".to_owned();
    assert_eq!(ledger.past.last().unwrap().why, Closing::Forced { reason });
}

#[test]
fn one_in_whose_place_another_stands_is_forgotten_and_nobody_else() {
    let forget = |machine: &Machine, bus| forget(&machine.root(), device(bus), "sent back to its maker");
    // Nobody is in its place: it may be there and not answer.
    let machine = Machine::new().with_ledger(&ledger());
    assert!(matches!(forget(&machine, 1), Err(QuarantineError::NotSeen { .. })));
    assert!(matches!(forget(&machine, 2), Err(QuarantineError::NotQuarantined(_))));
    // It is there.
    let machine = machine.with_gpu(1, None);
    let error = forget(&machine, 1).unwrap_err();
    let [finding] = error.findings().try_into().unwrap();
    assert_eq!(
        (&finding.id, finding.subject.name.as_str()),
        (&id::STILL_IN_MACHINE, "0000:01:00")
    );
    assert_eq!(finding.remedy, Some(id::RETURN_TO_SERVICE));
    assert_eq!(fs::read_to_string(machine.root().path(LEDGER)).unwrap(), ledger());
    // Another model stands there.
    machine.write("/sys/bus/pci/devices/0000:01:00.0/device", "0x2489\n");
    let forgotten = forget(&machine, 1).unwrap();
    assert_eq!(forgotten.len(), 1);
    let State::Known(ledger) = read_quarantine(&machine.root()) else {
        panic!("the ledger cannot be read")
    };
    assert!(ledger.entries.is_empty());
    let reason = "sent back to its maker".to_owned();
    assert_eq!(ledger.past.last().unwrap().why, Closing::LeftMachine { reason });
}

#[test]
fn one_in_service_has_nothing_to_return_from() {
    let machine = Machine::new().with_gpu(2, Some("vfio-pci")).with_ledger(&ledger());
    assert!(matches!(
        machine.force("0000:02:00"),
        Err(QuarantineError::InService(_))
    ));
    assert!(matches!(machine.force("0000:03:00"), Err(QuarantineError::NoGpu(_))));
}

#[test]
fn nothing_is_returned_while_nobody_knows_what_was_lost() {
    for content in [FROZEN, "{"] {
        let machine = Machine::new().with_ledger(content);
        assert!(matches!(machine.force("0000:01:00"), Err(QuarantineError::Damaged(_))));
        assert_eq!(fs::read_to_string(machine.root().path(LEDGER)).unwrap(), content);
        let lost = accept_loss(&machine.root(), "looked at it").unwrap();
        assert!(lost.is_some());
        assert!(!matches!(machine.force("0000:01:00"), Err(QuarantineError::Damaged(_))));
    }
}

#[test]
fn where_nobody_knows_a_gpu_that_is_not_ours_is_left_alone() {
    let machine = Machine::new().with_gpu(2, Some("ast")).with_ledger("{");
    let applied = apply(&machine.root());
    assert_eq!(applied.gpus, []);
    assert_eq!(applied.findings.len(), 1, "{applied:?}");
}

#[test]
fn an_empty_ledger_isolates_nobody() {
    let machine = Machine::new().with_gpu(1, None);
    assert_eq!(apply(&machine.root()), Applied::default());
}

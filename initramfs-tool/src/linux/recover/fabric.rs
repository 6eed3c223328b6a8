//! The fabric of a GPU, from the machine as it is now.

use std::slice;

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::decision::Use;
use reseat_core::topology::function::Membership;
use reseat_core::topology::{Connector, Place, Topology, TopologyError};

use super::users;
use crate::linux::state::{locks, recovery_files, recovery_policy};
use crate::linux::survey::machine::Survey;
use crate::linux::survey::{gpus, host, identity};
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::{drivers, functions};
use crate::model::finding::{Finding, Subject, id};
use crate::model::identification::Identification;
use crate::model::inventory::{self, FunctionSet, Gpu};
use crate::model::subject::{Member, RecoverySubject};
use crate::recovery::Baseline;
use crate::recovery::fabric::{FabricFacts, JudgedFabric, judge};
use crate::rules::FabricStatement;

/// What a fabric means for a reset of a GPU.
#[derive(Default)]
pub(super) struct FabricSurvey {
    /// The functions of others that a reset of more than one function affects.
    pub(super) peers: Vec<FunctionAddress>,
    /// Those of them that are ours, and unused.
    pub(super) free: Vec<FunctionAddress>,
    /// The operator's statement that decided.
    pub(super) statement: Option<String>,
    pub(super) findings: Vec<Finding>,
}

/// Finds out what is joined to the GPU at `device`, and notes it in the survey.
///
/// # Errors
/// When the functions make no topology.
pub(super) fn find(root: &Root, survey: &mut Survey, device: DeviceAddress) -> Result<FabricSurvey, TopologyError> {
    let judged = judged(root, survey, device)?;
    let Some(members) = judged.members else {
        return Ok(FabricSurvey {
            findings: judged.findings,
            ..FabricSurvey::default()
        });
    };
    join(survey, &members);
    let mut found = FabricSurvey {
        statement: judged.statement,
        findings: judged.findings,
        ..FabricSurvey::default()
    };
    let topology = survey.topology()?;
    let portions = gpus::portions(root, &functions::list(root).functions);
    let is_own = |address: &FunctionAddress| address.device_address() == device;
    for peer in members.into_iter().filter(|address| !is_own(address)) {
        found.peers.push(peer);
        let place = topology.find(peer);
        let subject = place.and_then(|place| RecoverySubject::at(place, portions.of(peer.device_address())));
        if let Some(subject) = subject.filter(|subject| is_free(root, subject, &mut found.findings)) {
            found.free.extend(subject.functions());
        }
    }
    Ok(found)
}

fn judged(root: &Root, survey: &mut Survey, device: DeviceAddress) -> Result<JudgedFabric, TopologyError> {
    let is_complete = survey.is_complete;
    let topology = survey.topology()?;
    let portions = gpus::portions(root, &functions::list(root).functions);
    let Some((place, subject)) = main_place(topology, device, portions.of(device)) else {
        return Ok(JudgedFabric::default());
    };
    // A contract that cannot be read says nothing here; a recovery does not begin with one.
    let statements = recovery_policy::contract(root)
        .map(|contract| contract.fabrics)
        .unwrap_or_default();
    if place.connector() == Connector::None && statements.is_empty() {
        return Ok(JudgedFabric::default());
    }
    let gpus = inventory::gpus(&functions::list(root).functions);
    // A GPU that is sick may hold up whoever asks for its serial number.
    let asks_for_serial = statements.iter().any(FabricStatement::names_a_serial);
    let identify = |gpu: &Gpu| match asks_for_serial {
        true => identity::of(root, gpu),
        false => Identification::new(gpu, None, None),
    };
    let known: Vec<Identification> = gpus.iter().map(identify).collect();
    let (unlisted, are_read) = match unlisted(root, &known) {
        Ok(unlisted) => (unlisted, true),
        Err(_) => (Vec::new(), false),
    };
    let hypervisor = host::hypervisor(root);
    let facts = FabricFacts {
        hypervisor: hypervisor.as_deref(),
        is_complete: is_complete && are_read,
        unlisted: &unlisted,
        statements: &statements,
        gpu: &identify(&subject.gpu()),
        gpus: &known,
    };
    Ok(judge(place, topology, &facts))
}

fn main_place(
    topology: Topology<'_>,
    device: DeviceAddress,
    named: Option<FunctionSet>,
) -> Option<(Place<'_>, RecoverySubject)> {
    let mut places = topology.places();
    let of_device = places.find(|place| place.address().device_address() == device)?;
    let subject = RecoverySubject::at(of_device, named)?;
    Some((topology.find(subject.function)?, subject))
}

/// The functions of GPUs that have a baseline, and that the kernel does not list.
fn unlisted(root: &Root, listed: &[Identification]) -> Result<Vec<Member>, recovery_files::RecordError> {
    let baselines = recovery_files::baselines(root)?;
    let is_listed = |serial: &str| listed.iter().any(|gpu| gpu.serial.as_deref() == Some(serial));
    let moved = |serial: Option<&String>| serial.is_some_and(|serial| is_listed(serial));
    let left = baselines.iter().filter(|baseline| !moved(baseline.serial.as_ref()));
    let members = left.flat_map(Baseline::members);
    Ok(members
        .filter(|member| !root.function(member.address).exists())
        .collect())
}

/// Notes that these functions are joined to each other and to nobody else.
fn join(survey: &mut Survey, members: &[FunctionAddress]) {
    let fabric = match members {
        [first, _, ..] => Membership::With(*first),
        _ => Membership::Alone,
    };
    for function in &mut survey.functions {
        if members.contains(&function.address) {
            function.fabric = fabric;
        }
    }
}

/// True if a peer is on no driver of the host, is not being recovered itself, and nobody uses it. Whoever recovers it holds its
/// lock before looking at ours, so that one of the two sees the other.
fn is_free(root: &Root, peer: &RecoverySubject, findings: &mut Vec<Finding>) -> bool {
    let warning = |id| Finding::warning(id, Subject::function(peer.function));
    let host_driver = peer.functions().into_iter().find_map(|function| {
        let driver = functions::driver_of(root, function);
        let driver = driver.unwrap_or_else(|error| Some(error.to_string()));
        driver.filter(|driver| !drivers::is_vfio(root, driver))
    });
    if let Some(driver) = host_driver {
        findings.push(warning(id::FABRIC_PEER_OF_HOST).with("driver", driver));
        return false;
    }
    let domain = peer.card_root.unwrap_or(peer.function);
    if !matches!(locks::of_possible_domains(root, slice::from_ref(&domain)), Ok(Some(_))) {
        findings.push(warning(id::FABRIC_PEER_IN_RECOVERY));
        return false;
    }
    match users::in_use(root, peer, findings) {
        Use::Free => {
            findings.push(Finding::note(
                id::FABRIC_PEER_AFFECTED,
                Subject::function(peer.function),
            ));
            true
        }
        Use::Used | Use::Unknown => {
            findings.push(warning(id::FABRIC_PEER_IN_USE));
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::test_root::TestRoot;

    const DEVICE: &str = "0000:65:00";

    /// RTX 3090s, each behind a root port, with the driver of each.
    fn machine(gpus: &[(u8, &str)]) -> TestRoot {
        let machine = TestRoot::new();
        machine.link("/proc/1/ns/pid", "pid:[4026531836]");
        for (bus, driver) in gpus {
            let port = format!("/sys/bus/pci/devices/0000:00:{:02x}.0", bus - 0x60);
            let gpu = format!("/sys/bus/pci/devices/0000:{bus:02x}:00.0");
            for (directory, vendor, device, class) in [
                (&port, "0x8086", "0x352a", "0x060400"),
                (&gpu, "0x10de", "0x2204", "0x030000"),
            ] {
                machine.write(&format!("{directory}/vendor"), vendor);
                machine.write(&format!("{directory}/device"), device);
                machine.write(&format!("{directory}/class"), class);
            }
            for file in ["secondary_bus_number", "subordinate_bus_number"] {
                machine.write(&format!("{port}/{file}"), &bus.to_string());
            }
            machine.write(&format!("/sys/bus/pci/drivers/{driver}/bind"), "");
            machine.link(&format!("{gpu}/driver"), &format!("../../drivers/{driver}"));
        }
        machine
    }

    fn found(machine: &TestRoot) -> (FabricSurvey, Membership) {
        let root = machine.root();
        let device = DEVICE.parse().unwrap();
        let mut survey = Survey::around(&root, device, &[]).unwrap();
        let found = find(&root, &mut survey, device).unwrap();
        let gpu = survey
            .functions
            .iter()
            .find(|function| function.address.device_address() == device);
        (found, gpu.unwrap().fabric)
    }

    fn ids(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| finding.id.as_str()).collect()
    }

    #[test]
    fn a_board_alone_in_the_machine_is_joined_to_nothing() {
        let (found, fabric) = found(&machine(&[(0x65, "vfio-pci")]));
        assert_eq!(fabric, Membership::Alone);
        assert_eq!((found.peers, ids(&found.findings)), (Vec::new(), Vec::new()));
    }

    #[test]
    fn in_a_guest_the_operator_has_to_say_so() {
        let machine = machine(&[(0x65, "vfio-pci")]);
        machine.write("/proc/cpuinfo", "flags : fpu hypervisor\n");
        let (unknown, fabric) = found(&machine);
        assert_eq!(
            (fabric, ids(&unknown.findings)),
            (Membership::Unknown, vec!["fabric-in-guest"])
        );
        machine.write(
            "/etc/reseat/reseat.toml",
            "[[recover.gpu]]\nselect = \"0000:65:00.0@10de:2204\"\nfabric = \"none\"\n",
        );
        let (stated, fabric) = found(&machine);
        assert_eq!(
            (fabric, ids(&stated.findings)),
            (Membership::Alone, vec!["fabric-stated"])
        );
        assert_eq!(stated.statement.as_deref(), Some("0000:65:00.0@10de:2204: none"));
    }

    #[test]
    fn a_peer_is_affected_and_only_one_that_is_ours_and_unused_is_free() {
        let peer: FunctionAddress = "0000:66:00.0".parse().unwrap();
        let both = machine(&[(0x65, "vfio-pci"), (0x66, "vfio-pci")]);
        let (free, fabric) = found(&both);
        assert_eq!(fabric, Membership::With("0000:65:00.0".parse().unwrap()));
        assert_eq!((free.peers, free.free), (vec![peer], vec![peer]));
        assert_eq!(ids(&free.findings), ["fabric-peer-affected"]);

        let _held = locks::of_possible_domains(&both.root(), &["0000:00:06.0".parse().unwrap()]).unwrap();
        let (recovered, _) = found(&both);
        assert_eq!((recovered.peers, recovered.free), (vec![peer], Vec::new()));
        assert_eq!(ids(&recovered.findings), ["fabric-peer-in-recovery"]);

        let (of_host, _) = found(&machine(&[(0x65, "vfio-pci"), (0x66, "nvidia")]));
        assert_eq!((of_host.peers, of_host.free), (vec![peer], Vec::new()));
        assert_eq!(ids(&of_host.findings), ["fabric-peer-of-host"]);
    }
}

//! Dumps of real functions in a folder outside the project, `RESEAT_DUMPS`.
//!
//! If a dump contains `lspci`'s own decoding, that is the oracle.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reseat_core::capability::advanced_features::AdvancedFeatures;
use reseat_core::capability::express::{Express, LinkSpeed, PortType};
use reseat_core::capability::extended_space::ExtendedSpace;
use reseat_core::capability::list::{ExtendedList, List, ListEnd, StandardList};
use reseat_core::capability::power_management::{PowerManagement, PowerState};
use reseat_core::capability::walk::WalkEnd;
use reseat_core::capability::{Capability, CapabilityId, ExtendedId, StandardId};
use reseat_core::config::{ConfigRead, Memory, MemoryError, Offset, ReadableSize};
use reseat_core::header::{BarKind, Header, Layout};
use reseat_core::presence::RrsVisibility;

use crate::hex::{Dump, dumps};
use crate::lists::offsets;

fn folder() -> PathBuf {
    std::env::var_os("RESEAT_DUMPS")
        .expect("RESEAT_DUMPS names the folder of dumps")
        .into()
}

fn in_file(name: &str) -> Vec<Dump> {
    dumps(&std::fs::read_to_string(folder().join(name)).unwrap())
}

/// Returns the function in a file whose title begins with `title`.
fn function(name: &str, title: &str) -> Function {
    let dump = in_file(name).into_iter().find(|dump| dump.title.starts_with(title));
    Function::of(dump.unwrap_or_else(|| panic!("no {title} in {name}")))
}

/// Returns all dumps of functions in the folder, by file path.
fn all() -> BTreeMap<PathBuf, Vec<Dump>> {
    fn files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, found);
            } else if path.extension().is_none_or(|extension| extension == "hex") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    files(&folder(), &mut found);
    assert!(found.len() >= 25, "{} files of dumps", found.len());
    found
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path, dumps(&text))
        })
        .collect()
}

struct Function {
    dump: Dump,
    space: Memory<Vec<u8>>,
    header: Header,
    standard: StandardList<MemoryError>,
    extended: Option<ExtendedList<MemoryError>>,
}

impl Function {
    fn of(dump: Dump) -> Self {
        let mut space = Memory::new(dump.bytes.clone()).unwrap();
        let header = Header::read(&mut space).unwrap();
        let pointer = header.capability_pointer().unwrap();
        let standard = StandardList::read(&mut space, pointer);
        let extended = ExtendedSpace::detect(&standard, &mut space)
            .ok()
            .map(|proof| ExtendedList::read(&mut space, proof));
        Self {
            dump,
            space,
            header,
            standard,
            extended,
        }
    }

    fn express(&mut self) -> Option<Express<&mut Memory<Vec<u8>>>> {
        Express::find(&self.standard, &mut self.space)
    }

    fn power(&mut self) -> Option<PowerManagement<&mut Memory<Vec<u8>>>> {
        PowerManagement::find(&self.standard, &mut self.space)
    }

    /// Returns the text after `key` on its line.
    fn said(&self, key: &str) -> Option<&str> {
        self.dump
            .text
            .iter()
            .find_map(|line| line.split_once(key).map(|(_, rest)| rest))
    }

    /// Returns a flag that the text shows as `+` or `-` after its name.
    fn flag(&self, name: &str) -> Option<bool> {
        match self.said(name)?.chars().next()? {
            '+' => Some(true),
            '-' => Some(false),
            _ => None,
        }
    }
}

fn backward<I: CapabilityId, E, const N: usize>(list: &List<I, E, N>) -> bool {
    !list.capabilities().is_sorted_by_key(Capability::offset)
}

#[test]
#[ignore = "needs RESEAT_DUMPS"]
fn every_dump_parses_and_every_walk_ends_complete() {
    let mut functions = 0;
    for (path, dumps) in all() {
        for dump in dumps {
            let title = dump.title.clone();
            let function = Function::of(dump);
            functions += 1;
            let complete = ListEnd::Walked(WalkEnd::Complete);
            if function.space.size() > ReadableSize::Header {
                assert_eq!(function.standard.end(), &complete, "{} {title}", path.display());
            }
            if let Some(extended) = &function.extended {
                assert_eq!(extended.end(), &complete, "{} {title}", path.display());
            }
        }
    }
    assert!(functions >= 75, "{functions} functions");
}

/// Returns the offsets of the capabilities in the text, as far as the dump goes.
fn printed(dump: &Dump) -> Vec<u16> {
    let capabilities = dump
        .text
        .iter()
        .filter_map(|line| line.trim().strip_prefix("Capabilities: ["));
    capabilities
        .map(|rest| u16::from_str_radix(rest.split([' ', ']']).next().unwrap(), 16).unwrap())
        .filter(|offset| usize::from(*offset) < dump.bytes.len())
        .collect()
}

#[test]
#[ignore = "needs RESEAT_DUMPS"]
fn lists_match_lspci() {
    let mut compared = 0;
    for dump in all().into_values().flatten().filter(|dump| !dump.text.is_empty()) {
        let function = Function::of(dump);
        let mut met = offsets(&function.standard);
        let extended = function.extended.iter().flat_map(List::capabilities);
        // One dump's text is older than the Device 3 capability in its bytes.
        let named = extended.filter(|capability| capability.id() != ExtendedId(0x002f));
        met.extend(named.map(|capability| capability.offset().get()));
        assert_eq!(met, printed(&function.dump), "{}", function.dump.title);
        compared += met.len();
    }
    assert!(compared >= 130, "{compared} capabilities");
}

#[test]
#[ignore = "needs RESEAT_DUMPS"]
fn registers_decode_as_in_lspci() {
    let mut compared = 0;
    for dump in all().into_values().flatten().filter(|dump| !dump.text.is_empty()) {
        let mut function = Function::of(dump);
        let title = function.dump.title.clone();
        let mut same = |name: &str, ours: bool, theirs: Option<bool>| {
            if let Some(theirs) = theirs {
                assert_eq!(ours, theirs, "{name} of {title}");
                compared += 1;
            }
        };
        same(
            "Mem",
            function.header.common.command.memory_space(),
            function.flag("I/O+ Mem"),
        );
        same(
            "Cap",
            function.header.common.status.capabilities_list(),
            function.flag("Status: Cap"),
        );
        let (no_soft_reset, pme) = (function.flag("NoSoftRst"), function.flag("PME-Enable"));
        if let Some(mut power) = function.power() {
            let control_status = power.control_status().unwrap();
            same("NoSoftRst", control_status.no_soft_reset(), no_soft_reset);
            same("PME-Enable", control_status.pme_enable(), pme);
        }
        let names = [
            "FLReset",
            "RBE",
            "TransPend",
            "LLActRep",
            "DLActive",
            "Train",
            "PwrCtrl",
        ];
        let said = names.map(|name| function.flag(&format!(" {name}")));
        if let Some(mut express) = function.express() {
            let capabilities = express.device_capabilities().unwrap();
            same("FLReset", capabilities.function_level_reset_capability(), said[0]);
            same("RBE", capabilities.role_based_error_reporting(), said[1]);
            let (_, status) = express.device().unwrap();
            same("TransPend", status.transactions_pending(), said[2]);
            if let Some(link) = express.link_capabilities().unwrap() {
                same(
                    "LLActRep",
                    link.data_link_layer_link_active_reporting_capable(),
                    said[3],
                );
            }
            if let Some((_, status)) = express.link().unwrap() {
                same("DLActive", status.data_link_layer_link_active(), said[4]);
                same("Train", status.link_training(), said[5]);
            }
            if let Some(slot) = express.slot_capabilities().unwrap() {
                same("PwrCtrl", slot.power_controller_present(), said[6]);
            }
        }
    }
    assert!(compared >= 100, "{compared} flags");
}

#[test]
#[ignore = "needs RESEAT_DUMPS"]
fn broken_ecaps_has_no_extended_space_and_a_cycle_there() {
    let mut function = function("pciutils/broken-ecaps", "00:00.0");
    assert!(function.extended.is_none());
    assert!(function.standard.find(StandardId::EXPRESS).is_none());
    let list: ExtendedList<_> = ExtendedList::read(&mut function.space, ExtendedSpace::assume());
    let (at, target) = (Offset::at::<0xd00>(), Offset::at::<0x790>());
    assert_eq!(list.end(), &ListEnd::Walked(WalkEnd::Cycle { at, target }));
}

#[test]
#[ignore = "needs RESEAT_DUMPS"]
fn nvidia_and_plx_link_backwards() {
    for (file, title) in [
        ("pciutils/cap-exp-lnkcap2", "02:00.0"),
        ("pciutils/cap-vc-pat", "0000:12:08.0"),
    ] {
        let extended = function(file, title).extended.unwrap();
        assert!(backward(&extended), "{file}");
        assert_eq!(extended.end(), &ListEnd::Walked(WalkEnd::Complete), "{file}");
    }
}

#[test]
#[ignore = "needs RESEAT_DUMPS"]
fn mx150() {
    let mut function = function("gpus/nvidia-gp108m-mx150-1d10.hex", "02:00.0");
    assert_eq!(function.header.common.identity.to_string(), "10de:1d10");
    assert_eq!(function.header.common.class.to_string(), "030200");
    assert_eq!(
        offsets(&function.standard),
        [0x60, 0x68, 0x78],
        "the VSI at b4 is not linked"
    );
    let control_status = function.power().unwrap().control_status().unwrap();
    assert_eq!(control_status.power_state(), PowerState::D0);
    assert!(control_status.no_soft_reset());
    let mut express = function.express().unwrap();
    assert_eq!(express.capabilities().device_port_type(), PortType::Endpoint);
    assert!(!express.device_capabilities().unwrap().function_level_reset_capability());
    let link = express.link_capabilities().unwrap().unwrap();
    assert_eq!((link.max_link_speed(), link.maximum_link_width()), (LinkSpeed::Gt8, 4));
}

#[test]
#[ignore = "needs RESEAT_DUMPS"]
fn h100_of_which_only_the_header_is_there() {
    let function = function("gpus/nvidia-gh100-h100-sxm5-2330.first96.hex", "62:00.0");
    assert_eq!(function.space.size(), ReadableSize::Header);
    assert_eq!(function.header.common.identity.to_string(), "10de:2330");
    assert!(matches!(
        function.standard.end(),
        ListEnd::Walked(WalkEnd::OutOfRange { .. })
    ));
    let Layout::Type0(layout) = function.header.layout else {
        panic!()
    };
    let first = layout.bars.iter().next().unwrap();
    assert_eq!(
        first.kind,
        BarKind::Memory64 {
            address: 0x38c0_0200_0000,
            prefetchable: true
        }
    );
}

#[test]
#[ignore = "needs RESEAT_DUMPS"]
fn skylake_root_port() {
    let mut function = function("gpus/intel-skylake-e-root-port-2030.hex", "ae:00.0");
    let Layout::Type1(layout) = &function.header.layout else {
        panic!()
    };
    assert_eq!((layout.buses.primary, layout.buses.secondary), (0xae, 0xaf));
    let mut express = function.express().unwrap();
    assert_eq!(express.capabilities().device_port_type(), PortType::RootPort);
    let (control, _) = express.root().unwrap().unwrap();
    assert_eq!(control.rrs_software_visibility_enable(), RrsVisibility::Enabled);
    let (_, status) = express.link().unwrap().unwrap();
    assert!(status.data_link_layer_link_active());
}

#[test]
#[ignore = "needs RESEAT_DUMPS"]
fn arc_a770() {
    let mut function = function("gpus/intel-arc-a770-56a0.hex", "03:00.0");
    assert_eq!(offsets(&function.standard), [0x40, 0x70, 0xac, 0xd0]);
    assert!(function.extended.is_none(), "256 bytes were dumped");
    assert!(
        function
            .express()
            .unwrap()
            .device_capabilities()
            .unwrap()
            .function_level_reset_capability()
    );
}

#[test]
#[ignore = "needs RESEAT_DUMPS"]
fn ich10_usb_offers_af_flr() {
    let mut function = function("pciutils/cap-pci-af", "00:1d.0");
    let mut features = AdvancedFeatures::find(&function.standard, &mut function.space).unwrap();
    assert!(features.capabilities().offers_flr());
    let (control, status) = features.control_status().unwrap();
    assert!(!control.initiate_flr() && !status.transactions_pending());
}

#[test]
#[ignore = "needs RESEAT_DUMPS"]
fn card_bus_bridge() {
    let function = function("pciutils/tree-fujitsu-p8010", "1c:03.0");
    let Layout::CardBus(layout) = function.header.layout else {
        panic!()
    };
    assert_eq!(layout.subsystem.unwrap().to_string(), "10cf:143d");
    assert_eq!(
        function.standard.find(StandardId::POWER_MANAGEMENT).unwrap().offset(),
        Offset::at::<0xa0>()
    );
}

//! The decoders of extended capabilities, each with the bytes of a real one.

use reseat_core::capability::acs::Acs;
use reseat_core::capability::aer::Aer;
use reseat_core::capability::ari::Ari;
use reseat_core::capability::cxl_flex_bus::CxlFlexBusPort;
use reseat_core::capability::designated_vendor_specific::{CxlPort, DesignatedVendorSpecific};
use reseat_core::capability::dpc::{Dpc, DpcReason, DpcReasonExtension, DpcTrigger};
use reseat_core::capability::extended_space::{ExtendedSpace, NoExtendedSpace};
use reseat_core::capability::list::ExtendedList;
use reseat_core::capability::power_management::{PowerManagement, PowerState};
use reseat_core::capability::resizable_bar::{ResizableBar, ResizableBars};
use reseat_core::capability::secondary_express::SecondaryExpress;
use reseat_core::capability::serial_number::{DeviceSerialNumber, SerialNumber};
use reseat_core::capability::sr_iov::SrIov;
use reseat_core::capability::vendor_specific::VendorSpecific;
use reseat_core::capability::view::ViewError;
use reseat_core::capability::walk::WalkEnd;
use reseat_core::capability::{ExtendedId, StandardId};
use reseat_core::config::{Memory, MemoryError, Offset, RegisterError};
use reseat_core::header::CapabilityPointer;

use crate::hex::{fixture, space};
use crate::readers::Watched;

pub(crate) type Space = Watched<Memory<[u8; 4096]>>;

/// The extended capabilities in `bytes`.
pub(crate) fn function(bytes: [u8; 4096]) -> (Space, ExtendedList<MemoryError>) {
    let mut space = Watched::new(Memory::new(bytes).unwrap());
    let list = ExtendedList::read(&mut space, ExtendedSpace::assume());
    space.reads.clear();
    (space, list)
}

/// One capability, at 100, with these registers from its second one on.
pub(crate) fn one(id: u32, registers: &[u32]) -> (Space, ExtendedList<MemoryError>) {
    let registers = (0x104..).step_by(4).zip(registers.iter().copied());
    let all: Vec<_> = core::iter::once((0x100, 0x0001_0000 | id)).chain(registers).collect();
    function(space(&all))
}

pub(crate) fn rtx_3060_ti() -> [u8; 4096] {
    fixture(include_str!("../fixtures/nvidia-rtx-3060-ti-2489.hex"))
}

pub(crate) fn all_ones<T>(at: u16) -> Result<T, ViewError<MemoryError>> {
    let at = Offset::new(at).unwrap();
    Err(RegisterError::AllOnes { at }.into())
}

#[test]
fn skylake_root_port_acs() {
    let (mut space, list) = function(fixture(include_str!("../fixtures/intel-skylake-root-port-2030.hex")));
    let (capability, control) = Acs::find(&list, &mut space).unwrap().capability_control().unwrap();
    assert!(capability.acs_source_validation() && capability.acs_translation_blocking());
    assert!(
        capability.acs_p2p_request_redirect()
            && capability.acs_p2p_completion_redirect()
            && capability.acs_upstream_forwarding()
    );
    assert!(
        !capability.acs_p2p_egress_control()
            && !capability.acs_direct_translated_p2p()
            && !capability.acs_enhanced_capability()
    );
    assert_eq!(u16::from(control), 0);
    assert_eq!(space.reads, [0x114]);
}

#[test]
fn milan_root_port_acs() {
    // Source Validation, Request and Completion Redirect and Upstream Forwarding are on, as Linux sets them.
    let (space, list) = one(0x000d, &[0x001d_005f]);
    let (capability, control) = Acs::find(&list, space).unwrap().capability_control().unwrap();
    assert!(capability.acs_direct_translated_p2p() && !capability.acs_p2p_egress_control());
    assert!(control.acs_source_validation_enable() && control.acs_p2p_request_redirect_enable());
    assert!(control.acs_p2p_completion_redirect_enable() && control.acs_upstream_forwarding_enable());
    assert!(
        !control.acs_translation_blocking_enable()
            && !control.acs_p2p_egress_control_enable()
            && !control.acs_direct_translated_p2p_enable()
    );
}

#[test]
fn ari_points_to_the_next_function() {
    let (space, list) = one(0x000e, &[0x0031_0402]);
    let (capability, control) = Ari::find(&list, space).unwrap().capability_control().unwrap();
    assert_eq!(capability.next_function_number(), 4);
    assert!(capability.acs_function_groups_capability() && !capability.mfvc_function_groups_capability());
    assert!(control.mfvc_function_groups_enable() && !control.acs_function_groups_enable());
    assert_eq!(control.function_group(), 3);
}

#[test]
fn rtx_3060_ti_sr_iov_that_the_list_leaves_out() {
    let mut bytes = rtx_3060_ti();
    // An A6000's list does this: from bb0 to bcc.
    bytes[0xbb3] = 0xbc;
    let (mut space, list) = function(bytes);
    let mut sr_iov = SrIov::find(&list, &mut space).unwrap();
    let capabilities = sr_iov.capabilities().unwrap();
    assert!(capabilities.ari_capable_hierarchy_preserved() && capabilities.vf_ten_bit_tag_requester_supported());
    assert!(!capabilities.vf_migration_capable());
    let (control, status) = sr_iov.control_status().unwrap();
    assert!(!control.vf_enable() && !control.vf_memory_space_enable() && !status.vf_migration_status());
    let limits = sr_iov.limits().unwrap();
    assert_eq!((limits.initial_vfs(), limits.total_vfs()), (16, 16));
    assert_eq!(sr_iov.number().unwrap().num_vfs(), 0);
    let routing = sr_iov.routing().unwrap();
    assert_eq!((routing.first_vf_offset(), routing.vf_stride()), (4, 1));
    assert_eq!(sr_iov.device_id(), Ok(0x2489));
    assert_eq!(sr_iov.supported_page_sizes(), Ok(0x573));
    assert_eq!(sr_iov.system_page_size(), Ok(1));
    assert_eq!(space.reads, [0xbd0, 0xbd4, 0xbd8, 0xbdc, 0xbe0, 0xbe4, 0xbe8, 0xbec]);
}

#[test]
fn sr_iov_with_its_virtual_functions_on() {
    let (space, list) = one(0x0010, &[0x0060_0001, 0x0001_0039, 0x0020_0020, 0x0003_0008]);
    let mut sr_iov = SrIov::find(&list, space).unwrap();
    let capabilities = sr_iov.capabilities().unwrap();
    assert!(capabilities.vf_migration_capable() && !capabilities.ari_capable_hierarchy_preserved());
    assert_eq!(capabilities.vf_migration_interrupt_message_number(), 3);
    let (control, status) = sr_iov.control_status().unwrap();
    assert!(control.vf_enable() && control.vf_memory_space_enable() && control.ari_capable_hierarchy());
    assert!(
        control.vf_ten_bit_tag_requester_enable()
            && !control.vf_migration_enable()
            && !control.vf_migration_interrupt_enable()
    );
    assert!(status.vf_migration_status());
    let number = sr_iov.number().unwrap();
    assert_eq!((number.num_vfs(), number.function_dependency_link()), (8, 3));
}

fn sizes(bar: ResizableBar) -> Vec<u64> {
    bar.sizes().iter().map(|size| size.bytes().unwrap() >> 20).collect()
}

#[test]
fn rtx_3060_ti_resizable_bars() {
    let (mut space, list) = function(rtx_3060_ti());
    assert!(ResizableBars::find_of_virtual_functions(&list, &mut space).is_none());
    let mut bars = ResizableBars::find(&list, &mut space).unwrap();
    assert_eq!(bars.number(), Ok(3));
    let all: Vec<_> = (0..3).map(|n| bars.bar(n).unwrap().unwrap()).collect();
    let indices: Vec<_> = all.iter().map(|bar| bar.control.bar_index()).collect();
    assert_eq!(indices, [0, 1, 3]);
    let now: Vec<_> = all
        .iter()
        .map(|bar| bar.control.bar_size().bytes().unwrap() >> 20)
        .collect();
    assert_eq!(now, [16, 8192, 32], "BAR 1 has its largest size");
    assert_eq!(sizes(all[0]), [16]);
    assert_eq!(sizes(all[1]), [64, 128, 256, 512, 1024, 2048, 4096, 8192]);
    assert_eq!(sizes(all[2]), [32]);
    assert_eq!(bars.bar(6), Ok(None), "a header has six BARs");
    assert_eq!(space.reads, [0xbb8, 0xbb4, 0xbb8, 0xbbc, 0xbc0, 0xbc4, 0xbc8]);
}

#[test]
fn h100_vf_resizable_bar_has_sizes_in_both_registers() {
    let (space, list) = one(0x0024, &[0x003f_fc00, 0xffff_0c21]);
    assert!(ResizableBars::find(&list, &mut Memory::new([0; 64]).unwrap()).is_none());
    let mut bars = ResizableBars::find_of_virtual_functions(&list, space).unwrap();
    assert_eq!(bars.number(), Ok(1));
    let bar = bars.bar(0).unwrap().unwrap();
    assert_eq!(bar.control.bar_index(), 1);
    assert_eq!(bar.control.bar_size().bytes(), Some(4 << 30));
    let sizes = sizes(bar);
    assert_eq!(sizes.len(), 12 + 16);
    assert_eq!((sizes[0], sizes[11]), (64, 128 << 10), "64 MB to 128 GB");
    assert_eq!((sizes[12], sizes[27]), (256 << 20, 8 << 40), "256 TB to 8 EB");
    assert!(bar.sizes().contains(bar.control.bar_size()));
}

#[test]
fn reserved_bar_size_has_no_bytes() {
    let (space, list) = one(0x0015, &[0x10, 0x2c20]);
    let bar = ResizableBars::find(&list, space).unwrap().bar(0).unwrap().unwrap();
    assert_eq!(
        (bar.control.bar_size().code(), bar.control.bar_size().bytes()),
        (44, None)
    );
    assert!(!bar.sizes().contains(bar.control.bar_size()));
}

#[test]
fn pex890xx_serial_number() {
    let (mut space, list) = one(0x0003, &[0x5f09_5618, 0x0080_5edc]);
    let number = DeviceSerialNumber::find(&list, &mut space).unwrap().number().unwrap();
    assert_eq!(number.to_string(), "00-80-5e-dc-5f-09-56-18");
    assert_eq!(space.reads, [0x104, 0x108]);
}

#[test]
fn search_for_the_serial_number_stops_there() {
    // AER, then the serial number, then one more.
    let at = [
        (0x100, 0x1481_0001),
        (0x148, 0x2001_0003),
        (0x14c, 0x5f09_5618),
        (0x150, 0x0080_5edc),
        (0x200, 0x0001_0019),
    ];
    let (mut space, _) = function(space(&at));
    let mut found = DeviceSerialNumber::search(&mut space, ExtendedSpace::assume())
        .unwrap()
        .unwrap();
    assert_eq!(found.number().unwrap().to_string(), "00-80-5e-dc-5f-09-56-18");
    assert_eq!(space.reads, [0x100, 0x148, 0x14c, 0x150]);
}

/// The pointer of a function whose standard list begins at 40, and its space.
fn listed(capabilities: &[(u32, u32)]) -> (CapabilityPointer, Space) {
    let header = [(0x00, 0x2489_10de), (0x04, 0x0010_0000), (0x34, 0x40)];
    let all: Vec<_> = header.into_iter().chain(capabilities.iter().copied()).collect();
    let mut space = Watched::new(Memory::new(space(&all)).unwrap());
    let pointer = CapabilityPointer::read(&mut space).unwrap().unwrap();
    space.reads.clear();
    (pointer, space)
}

#[test]
fn search_of_the_standard_list_stops_there() {
    // MSI, then Power Management in D3hot, then PCI Express.
    let (pointer, mut space) = listed(&[
        (0x40, 0x0000_5005),
        (0x50, 0x0003_6001),
        (0x54, 0x3),
        (0x60, 0x0002_0010),
    ]);
    let mut found = PowerManagement::search(&mut space, pointer).unwrap().unwrap();
    assert_eq!(found.control_status().unwrap().power_state(), PowerState::D3hot);
    assert_eq!(space.reads, [0x40, 0x50, 0x54]);
    space.reads.clear();
    assert!(ExtendedSpace::search(&mut space, pointer).is_ok());
    assert_eq!(space.reads, [0x40, 0x50, 0x60]);
}

#[test]
fn broken_standard_list_does_not_prove_absence() {
    let (pointer, space) = listed(&[(0x40, 0x0000_0005)]);
    assert!(matches!(PowerManagement::search(space, pointer), Ok(None)));
    let (pointer, space) = listed(&[(0x40, 0x0000_0005)]);
    assert_eq!(ExtendedSpace::search(space, pointer), Err(NoExtendedSpace::NotCapable));
    let (pointer, space) = listed(&[(0x40, 0x0000_4005)]);
    assert!(matches!(
        PowerManagement::search(space, pointer),
        Err(WalkEnd::Cycle { .. })
    ));
}

#[test]
fn list_broken_before_the_serial_number_does_not_prove_absence() {
    let (whole, _) = one(0x0001, &[]);
    assert!(matches!(
        DeviceSerialNumber::search(whole, ExtendedSpace::assume()),
        Ok(None)
    ));
    let (cycle, _) = function(space(&[(0x100, 0x1001_0001)]));
    assert!(DeviceSerialNumber::search(cycle, ExtendedSpace::assume()).is_err());
}

#[test]
fn serial_number_round_trips_and_rejects_other_text() {
    let number: SerialNumber = "00-80-5E-dc-5f-09-56-18".parse().unwrap();
    assert_eq!(number, SerialNumber(0x0080_5edc_5f09_5618));
    for text in [
        "",
        "00-80-5e-dc-5f-09-56",
        "00-80-5e-dc-5f-09-56-18-00",
        "00:80:5e:dc:5f:09:56:18",
        "+0-80-5e-dc-5f-09-56-18",
        "0-080-5e-dc-5f-09-56-18",
    ] {
        assert!(text.parse::<SerialNumber>().is_err(), "{text}");
    }
}

#[test]
fn half_of_a_serial_number_may_be_all_ones() {
    let number = |registers: &[u32]| {
        let (space, list) = one(0x0003, registers);
        DeviceSerialNumber::find(&list, space).unwrap().number()
    };
    assert_eq!(number(&[u32::MAX, 1]).unwrap().0, 0x0000_0001_ffff_ffff);
    assert_eq!(number(&[1, u32::MAX]).unwrap().0, 0xffff_ffff_0000_0001);
    assert_eq!(number(&[u32::MAX, u32::MAX]), all_ones(0x104));
}

#[test]
fn sapphire_rapids_root_port_dpc() {
    let (mut space, list) = one(0x001d, &[0x0020_14e0, 0x0000_1f00]);
    let mut dpc = Dpc::find(&list, &mut space).unwrap();
    let (capability, control) = dpc.capability_control().unwrap();
    assert!(capability.rp_extensions_for_dpc() && capability.poisoned_tlp_egress_blocking_supported());
    assert!(capability.dpc_software_triggering_supported() && capability.dl_active_err_cor_signaling_supported());
    assert_eq!(
        (capability.rp_pio_log_size(), capability.dpc_interrupt_message_number()),
        (4, 0)
    );
    assert_eq!(control.dpc_trigger_enable(), DpcTrigger::Disabled);
    assert!(
        control.poisoned_tlp_egress_blocking_enable()
            && !control.dpc_interrupt_enable()
            && !control.dpc_software_trigger()
    );
    let (status, _) = dpc.status_source().unwrap();
    assert!(!status.dpc_trigger_status());
    assert_eq!(status.rp_pio_first_error_pointer(), 0x1f);
    assert_eq!(space.reads, [0x104, 0x108]);
}

#[test]
fn contained_port_reports_the_reason() {
    let status = |register: u32| {
        let (space, list) = one(0x001d, &[0x000a_0000, register]);
        let mut dpc = Dpc::find(&list, space).unwrap();
        assert_eq!(
            dpc.capability_control().unwrap().1.dpc_trigger_enable(),
            DpcTrigger::NonFatalOrFatal
        );
        dpc.status_source().unwrap()
    };
    let (fatal, source) = status(0x1900_0005);
    assert!(fatal.dpc_trigger_status() && !fatal.dpc_interrupt_status());
    assert_eq!((fatal.dpc_trigger_reason(), source), (DpcReason::FatalMessage, 0x1900));
    let (software, _) = status(0x003f);
    assert_eq!(software.dpc_trigger_reason(), DpcReason::Extension);
    assert_eq!(
        software.dpc_trigger_reason_extension(),
        DpcReasonExtension::SoftwareTrigger
    );
    assert!(software.dpc_interrupt_status() && software.dpc_rp_busy());
    assert_eq!(status(0x0003).0.dpc_trigger_reason(), DpcReason::NonFatalMessage);
}

#[test]
fn h100_lane_errors() {
    let (space, list) = one(0x0019, &[0x0000_0202, 0x0000_ffff]);
    let mut secondary = SecondaryExpress::find(&list, space).unwrap();
    let control = secondary.link_control_3().unwrap();
    assert!(control.link_equalization_request_interrupt_enable() && !control.perform_equalization());
    assert_eq!(control.enable_lower_skp_os_generation_vector(), 1);
    assert_eq!(secondary.lane_error_status(), Ok(0xffff));
}

#[test]
fn rtx_3060_ti_vendor_specific() {
    let (mut space, list) = function(rtx_3060_ti());
    let mut vendor_specific = VendorSpecific::find(&list, &mut space).unwrap();
    let header = vendor_specific.header().unwrap();
    assert_eq!(
        (header.vsec_id(), header.vsec_rev(), header.vsec_length()),
        (1, 1, 0x24)
    );
    assert_eq!(vendor_specific.length(header), 0x24);
}

#[test]
fn vendor_specific_length_ends_with_the_view() {
    let (space, list) = function(space(&[
        (0x100, 0x1101_000b),
        (0x104, 0xfff0_0002),
        (0x110, 0x0001_000d),
    ]));
    let mut vendor_specific = VendorSpecific::find(&list, space).unwrap();
    let header = vendor_specific.header().unwrap();
    assert_eq!((header.vsec_length(), vendor_specific.length(header)), (0xfff, 0x10));
}

/// A DVSEC of another vendor, an unrelated one of CXL, and CXL's DVSEC for ports with this length and Port Control.
fn cxl_port(length: u32, control: u32) -> (Space, ExtendedList<MemoryError>) {
    function(space(&[
        (0x100, 0x1401_0023),
        (0x104, 0x0100_8086),
        (0x108, 0x0000_0003),
        (0x140, 0x1801_0023),
        (0x144, 0x0380_1e98),
        (0x148, 0x0000_0007),
        (0x180, 0x0001_0023),
        (0x184, (length << 20) | 0x1e98),
        (0x188, 0x0001_0003),
        (0x18c, control),
    ]))
}

#[test]
fn cxl_port_masks_sbr_until_it_is_unmasked() {
    for (control, sbr, link_disable) in [
        (0x0000_0000, false, false),
        (1, true, false),
        (0xffff_0002, false, true),
    ] {
        let (mut space, list) = cxl_port(0x28, control);
        let mut port = CxlPort::find(&list, &mut space).unwrap().unwrap();
        let control = port.control().unwrap();
        assert_eq!(
            (control.unmask_sbr(), control.unmask_link_disable()),
            (sbr, link_disable)
        );
        assert_eq!(space.reads, [0x104, 0x108, 0x144, 0x148, 0x184, 0x188, 0x18c]);
    }
}

#[test]
fn flex_bus_port_reports_the_protocols_of_its_link() {
    for (status, cxl) in [
        (0x0000_0000, false),
        (0x0001_0000, true),
        (0x0002_0000, true),
        (0x0004_0000, true),
        (0x0007_0000, true),
        // Port Control and the bits of other features do not affect it.
        (0x0000_0007, false),
        (0x0060_0000, false),
    ] {
        let (space, list) = function(space(&[
            (0x100, 0x1401_0023),
            (0x104, 0x0380_8086),
            (0x108, 0x0000_0007),
            (0x10c, 0x0007_0000),
            (0x140, 0x0001_0023),
            (0x144, 0x0202_1e98),
            (0x148, 0x0000_0007),
            (0x14c, status),
        ]));
        let mut port = CxlFlexBusPort::find(&list, space).unwrap().unwrap();
        assert_eq!(port.status().unwrap().carries_cxl(), cxl, "{status:#x}");
    }
}

#[test]
fn flex_bus_port_that_ends_early_or_does_not_answer_has_no_status() {
    for (length, status, has_one) in [(0x00f_u32, 0, false), (0x010, 0, true), (0x020, u32::MAX, false)] {
        let (space, list) = function(space(&[
            (0x100, 0x0001_0023),
            (0x104, (length << 20) | 0x1e98),
            (0x108, 0x0000_0007),
            (0x10c, status),
        ]));
        let status = CxlFlexBusPort::find(&list, space).unwrap().unwrap().status();
        assert_eq!(status.is_ok(), has_one, "{length:#x}: {status:?}");
    }
}

#[test]
fn dvsec_names_its_vendor() {
    let (space, list) = cxl_port(0x28, 0);
    let mut designated = DesignatedVendorSpecific::find(&list, space).unwrap();
    let header = designated.header().unwrap();
    assert_eq!(
        (header.dvsec_vendor_id(), header.dvsec_revision(), header.dvsec_length()),
        (0x8086, 0, 0x10)
    );
    assert_eq!(designated.id(), Ok(3));
    assert!(
        CxlPort::of(designated, header, 3).is_none(),
        "the same ID of another vendor"
    );
}

#[test]
fn cxl_port_that_ends_early_has_no_control() {
    for (length, has_control) in [(0x0c, false), (0x0d, false), (0x0e, true)] {
        let (space, list) = cxl_port(length, 1);
        let control = CxlPort::find(&list, space).unwrap().unwrap().control();
        let relative = Offset::at::<0x0c>();
        let length = u16::try_from(length).unwrap();
        match has_control {
            true => assert!(control.unwrap().unmask_sbr()),
            false => assert_eq!(control, Err(ViewError::BeyondBound { relative, length })),
        }
    }
}

#[test]
fn function_without_a_dvsec_is_no_cxl_port() {
    let (mut space, list) = function(rtx_3060_ti());
    assert!(CxlPort::find(&list, &mut space).unwrap().is_none());
    assert!(space.reads.is_empty());
}

#[test]
fn dvsec_that_cannot_be_read_is_no_absence() {
    let (space, list) = one(0x0023, &[u32::MAX]);
    assert_eq!(CxlPort::find(&list, space).map(|port| port.is_some()), all_ones(0x104));
}

#[test]
fn decoder_takes_only_its_own_capability() {
    let (mut space, list) = one(0x000d, &[0]);
    let capability = &list.capabilities()[0];
    assert!(Acs::at(&list, capability, &mut space).is_some());
    assert!(Aer::at(&list, capability, &mut space).is_none());
    assert!(ResizableBars::at(&list, capability, &mut space).is_none());
}

#[test]
fn known_numbers_have_names() {
    for (id, name) in [
        (StandardId(0x00), Some("Null")),
        (StandardId(0x10), Some("PCI Express")),
        (StandardId(0x15), Some("Flattening Portal Bridge")),
        (StandardId(0x16), None),
    ] {
        assert_eq!(id.name(), name, "{id}");
    }
    for (id, name) in [
        (ExtendedId(0x0001), Some("Advanced Error Reporting")),
        (ExtendedId(0x0014), None),
        (ExtendedId(0x0025), Some("Data Link Feature")),
        (ExtendedId(0x002e), Some("Data Object Exchange")),
        (ExtendedId(0xffff), None),
    ] {
        assert_eq!(id.name(), name, "{id}");
    }
}

//! Facts about real functions.

use reseat_core::capability::express::{Express, LinkSpeed, PayloadSize, PortType};
use reseat_core::capability::extended_space::ExtendedSpace;
use reseat_core::capability::list::{ExtendedList, ListEnd, StandardList};
use reseat_core::capability::power_management::{PowerManagement, PowerState};
use reseat_core::capability::walk::WalkEnd;
use reseat_core::capability::{ExtendedId, StandardId};
use reseat_core::config::{Memory, MemoryError, Offset, RegisterError};
use reseat_core::header::{BarKind, CapabilityPointer, Common, Header, InterruptPin, Layout};
use reseat_core::presence::{Presence, RrsVisibility};

use crate::hex::fixture;
use crate::lists::offsets;
use crate::readers::Watched;

type Space = Memory<[u8; 4096]>;

fn rtx_3060_ti() -> Space {
    Memory::new(fixture(include_str!("../fixtures/nvidia-rtx-3060-ti-2489.hex"))).unwrap()
}

fn h100() -> Space {
    Memory::new(fixture(include_str!("../fixtures/nvidia-h100-sxm5-2330.hex"))).unwrap()
}

fn root_port() -> Space {
    Memory::new(fixture(include_str!("../fixtures/intel-skylake-root-port-2030.hex"))).unwrap()
}

fn standard(space: &mut Space) -> StandardList<MemoryError> {
    let pointer = Header::read(&mut *space).unwrap().capability_pointer().unwrap();
    StandardList::read(space, pointer)
}

fn extended(space: &mut Space) -> ExtendedList<MemoryError> {
    let proof = ExtendedSpace::detect(&standard(space), &mut *space).unwrap();
    ExtendedList::read(space, proof)
}

#[test]
fn rtx_3060_ti_header() {
    let Header { common, layout } = Header::read(rtx_3060_ti()).unwrap();
    assert_eq!(common.identity.to_string(), "10de:2489");
    assert_eq!(common.class.to_string(), "030000");
    assert_eq!(common.revision, 0xa1);
    assert_eq!(u16::from(common.command), 0x0407);
    assert!(common.command.memory_space() && common.command.bus_master());
    assert!(common.status.capabilities_list() && !common.status.immediate_readiness());
    assert!(common.header_type.multi_function());
    let Layout::Type0(layout) = layout else {
        panic!("{layout:?}")
    };
    assert_eq!(layout.subsystem.to_string(), "1458:4077");
    assert_eq!(layout.interrupt_pin, InterruptPin::A);
    let bars: Vec<_> = layout.bars.iter().map(|bar| (bar.index, bar.kind)).collect();
    let memory64 = BarKind::Memory64 {
        address: 0,
        prefetchable: true,
    };
    assert_eq!(
        bars,
        [
            (
                0,
                BarKind::Memory32 {
                    address: 0x8400_0000,
                    prefetchable: false
                }
            ),
            (1, memory64),
            (3, memory64),
            (5, BarKind::Io { address: 0 }),
        ]
    );
}

#[test]
fn rtx_3060_ti_standard_list() {
    let list = standard(&mut rtx_3060_ti());
    assert_eq!(offsets(&list), [0x60, 0x68, 0x78, 0xb4]);
    assert_eq!(list.end(), &ListEnd::Walked(WalkEnd::Complete));
    assert_eq!(
        list.find(StandardId(0x11)),
        None,
        "MSI-X stands at c8 and is not linked"
    );
}

#[test]
fn rtx_3060_ti_extended_list_goes_backwards() {
    let list = extended(&mut rtx_3060_ti());
    assert_eq!(
        offsets(&list),
        [0x100, 0x258, 0x128, 0x420, 0x600, 0x900, 0xbb0, 0xc1c, 0xd00, 0xe00]
    );
    assert_eq!(list.end(), &ListEnd::Walked(WalkEnd::Complete));
    let aer = list.find(ExtendedId(0x0001)).unwrap();
    assert_eq!((aer.offset().get(), aer.version()), (0x420, 2));
    assert_eq!(
        list.find(ExtendedId(0x0010)),
        None,
        "SR-IOV stands at bcc and is not linked"
    );
}

#[test]
fn rtx_3060_ti_views_end_at_the_next_higher_header() {
    let mut space = rtx_3060_ti();
    let list = extended(&mut space);
    let lengths: Vec<_> = list
        .capabilities()
        .iter()
        .map(|capability| list.view(capability, &mut space).length())
        .collect();
    // The one at 100 ends at 128 and not at 258, its link; the one at e00 ends with the space.
    assert_eq!(
        lengths,
        [0x28, 0x1c8, 0x130, 0x1e0, 0x300, 0x2b0, 0x6c, 0xe4, 0x100, 0x200]
    );
}

#[test]
fn rtx_3060_ti_power_management() {
    let mut space = rtx_3060_ti();
    let list = standard(&mut space);
    let mut power = PowerManagement::find(&list, &mut space).unwrap();
    let capabilities = power.capabilities();
    assert_eq!(capabilities.version(), 3);
    assert!(!capabilities.d1_support() && !capabilities.d2_support());
    assert!(capabilities.pme_support_d0() && capabilities.pme_support_d3hot());
    assert!(!capabilities.pme_support_d1() && !capabilities.pme_support_d3cold());
    assert_eq!(capabilities.aux_current_milliamperes(), 0);
    let control_status = power.control_status().unwrap();
    assert_eq!(control_status.power_state(), PowerState::D0);
    assert!(control_status.no_soft_reset());
    assert!(!control_status.pme_enable() && !control_status.pme_status());
}

#[test]
fn rtx_3060_ti_express() {
    let mut space = rtx_3060_ti();
    let list = standard(&mut space);
    let mut express = Express::find(&list, &mut space).unwrap();
    assert_eq!(express.capabilities().capability_version(), 2);
    assert_eq!(express.capabilities().device_port_type(), PortType::LegacyEndpoint);
    let device = express.device_capabilities().unwrap();
    assert!(device.function_level_reset_capability() && device.role_based_error_reporting());
    assert_eq!(device.max_payload_size_supported(), PayloadSize::Bytes256);
    let (control, status) = express.device().unwrap();
    assert_eq!(control.max_payload_size().bytes(), Some(256));
    assert_eq!(control.max_read_request_size().bytes(), Some(512));
    assert!(control.correctable_error_reporting_enable() && control.unsupported_request_reporting_enable());
    assert!(!status.transactions_pending() && !status.fatal_error_detected());
    let link = express.link_capabilities().unwrap().unwrap();
    assert_eq!(
        (link.max_link_speed(), link.maximum_link_width()),
        (LinkSpeed::Gt16, 16)
    );
    assert!(!link.data_link_layer_link_active_reporting_capable());
    let (_, status) = express.link().unwrap().unwrap();
    assert_eq!(
        (status.current_link_speed(), status.negotiated_link_width()),
        (LinkSpeed::Gt2_5, 16)
    );
    assert_eq!(express.slot_capabilities(), Ok(None));
    assert_eq!(express.root(), Ok(None));
}

#[test]
fn rtx_3060_ti_express_of_version_2() {
    let mut space = rtx_3060_ti();
    let list = standard(&mut space);
    let mut express = Express::find(&list, &mut space).unwrap();
    let device = express.device_capabilities_2().unwrap().unwrap();
    assert!(
        device.completion_timeout_disable_supported()
            && device.ten_bit_tag_completer_supported()
            && device.ten_bit_tag_requester_supported()
    );
    assert!(!device.ari_forwarding_supported() && !device.ltr_mechanism_supported() && !device.frs_supported());
    assert_eq!(u16::from(express.device_control_2().unwrap().unwrap()), 0);
    let link = express.link_capabilities_2().unwrap().unwrap();
    let speeds: Vec<_> = link.supported_link_speeds_vector().iter().collect();
    assert_eq!(
        speeds,
        [LinkSpeed::Gt2_5, LinkSpeed::Gt5, LinkSpeed::Gt8, LinkSpeed::Gt16]
    );
    assert_eq!(link.supported_link_speeds_vector().max(), Some(LinkSpeed::Gt16));
    assert!(
        link.supported_link_speeds_vector().contains(LinkSpeed::Gt16)
            && !link.supported_link_speeds_vector().contains(LinkSpeed::Gt32)
    );
    assert_eq!(
        link.supported_link_speeds_vector().to_string(),
        "2.5 GT/s, 5 GT/s, 8 GT/s, 16 GT/s"
    );
    assert!(link.retimer_presence_detect_supported() && link.two_retimers_presence_detect_supported());
    assert!(!link.crosslink_supported() && !link.drs_supported());
    let (control, status) = express.link_2().unwrap().unwrap();
    assert_eq!(control.target_link_speed(), LinkSpeed::Gt16);
    assert!(!control.enter_compliance() && !control.hardware_autonomous_speed_disable());
    assert!(status.equalization_8_0_gts_complete() && status.equalization_8_0_gts_phase_1_successful());
    assert!(status.equalization_8_0_gts_phase_2_successful() && status.equalization_8_0_gts_phase_3_successful());
    assert!(!status.link_equalization_request_8_0_gts() && !status.retimer_presence_detected());
    assert_eq!(express.root_status(), Ok(None));
}

#[test]
fn h100_is_ready() {
    let presence = Presence::read(h100(), RrsVisibility::Enabled).unwrap();
    assert_eq!(presence, Presence::Ready("10de:2330".parse().unwrap()));
}

#[test]
fn h100_lists() {
    let mut space = h100();
    let list = standard(&mut space);
    assert_eq!(offsets(&list), [0x40, 0x48, 0x60, 0x9c, 0xb0]);
    assert_eq!(list.end(), &ListEnd::Walked(WalkEnd::Complete));
    let list = extended(&mut space);
    assert_eq!(
        offsets(&list),
        [
            0x100, 0x12c, 0x134, 0x140, 0x14c, 0x158, 0x188, 0x1b8, 0x200, 0x248, 0x250, 0x2a4, 0x2b8, 0x2c8, 0x2f0
        ]
    );
    assert_eq!(list.end(), &ListEnd::Walked(WalkEnd::Complete));
}

#[test]
fn h100_registers() {
    let mut space = h100();
    let list = standard(&mut space);
    let power = PowerManagement::find(&list, &mut space).unwrap().capabilities();
    assert!(power.immediate_readiness_on_return_to_d0());
    assert!(!power.pme_support_d0() && !power.pme_support_d3hot());
    let mut express = Express::find(&list, &mut space).unwrap();
    assert_eq!(express.capabilities().device_port_type(), PortType::Endpoint);
    assert!(express.device_capabilities().unwrap().function_level_reset_capability());
    let (control, status) = express.device().unwrap();
    assert_eq!(control.max_read_request_size(), PayloadSize::Bytes4096);
    assert!(status.correctable_error_detected() && status.transactions_pending());
    assert!(
        !status.non_fatal_error_detected() && !status.fatal_error_detected() && !status.unsupported_request_detected()
    );
    let (_, status) = express.link().unwrap().unwrap();
    assert_eq!(
        (status.current_link_speed(), status.negotiated_link_width()),
        (LinkSpeed::Gt32, 16)
    );
}

#[test]
fn root_port_header() {
    let Header { common, layout } = Header::read(root_port()).unwrap();
    assert_eq!(common.class.to_string(), "060400");
    assert!(!common.header_type.multi_function());
    let Layout::Type1(layout) = layout else {
        panic!("{layout:?}")
    };
    let buses = layout.buses;
    assert_eq!((buses.primary, buses.secondary, buses.subordinate), (0xae, 0xaf, 0xb4));
    assert!(layout.bars.iter().all(|bar| bar.kind == BarKind::Zero));
    assert_eq!(layout.bars.raw().len(), 2);
}

#[test]
fn root_port_express() {
    let mut space = root_port();
    let list = standard(&mut space);
    let mut express = Express::find(&list, &mut space).unwrap();
    assert_eq!(express.capabilities().device_port_type(), PortType::RootPort);
    assert!(express.capabilities().has_slot());
    assert!(!express.device_capabilities().unwrap().function_level_reset_capability());
    let capabilities = express.link_capabilities().unwrap().unwrap();
    assert_eq!(
        (capabilities.max_link_speed(), capabilities.maximum_link_width()),
        (LinkSpeed::Gt8, 16)
    );
    assert!(
        capabilities.data_link_layer_link_active_reporting_capable()
            && capabilities.surprise_down_error_reporting_capable()
    );
    assert_eq!(capabilities.port_number(), 5);
    let (control, status) = express.link().unwrap().unwrap();
    assert!(!control.link_disable());
    assert!(status.data_link_layer_link_active() && !status.link_training());
    assert_eq!(
        (status.current_link_speed(), status.negotiated_link_width()),
        (LinkSpeed::Gt8, 4)
    );
    let slot = express.slot_capabilities().unwrap().unwrap();
    assert!(!slot.power_controller_present() && !slot.hot_plug_capable() && !slot.hot_plug_surprise());
    assert!(
        !slot.attention_button_present()
            && !slot.mrl_sensor_present()
            && !slot.electromechanical_interlock_present()
            && !slot.no_command_completed_support()
    );
    assert_eq!((slot.slot_power_limit_value(), slot.slot_power_limit_scale()), (75, 0));
    assert_eq!(slot.physical_slot_number(), 4);
    let (control, capabilities) = express.root().unwrap().unwrap();
    assert_eq!(control.rrs_software_visibility_enable(), RrsVisibility::Enabled);
    assert!(capabilities.rrs_software_visibility());
}

#[test]
fn root_port_extended_list() {
    let list = extended(&mut root_port());
    assert_eq!(offsets(&list), [0x100, 0x110, 0x148, 0x1d0, 0x250, 0x280, 0x298, 0x300]);
    let vendor_specific: Vec<_> = list
        .all(ExtendedId(0x000b))
        .map(|capability| capability.offset().get())
        .collect();
    assert_eq!(vendor_specific, [0x100, 0x1d0, 0x280, 0x298, 0x300]);
}

#[test]
fn power_state_of_a_gpu_costs_ten_reads_and_no_register_twice() {
    let mut space = Watched::new(rtx_3060_ti());
    let common = Common::read(&mut space).unwrap();
    let pointer = common.read_capability_pointer(&mut space).unwrap().unwrap();
    let list: StandardList<_> = StandardList::read(&mut space, pointer);
    PowerManagement::find(&list, &mut space)
        .unwrap()
        .control_status()
        .unwrap();
    assert_eq!(
        space.reads,
        [0x00, 0x04, 0x08, 0x0c, 0x34, 0x60, 0x68, 0x78, 0xb4, 0x64]
    );
}

#[test]
fn list_pointer_needs_no_other_header_reads() {
    for space in [rtx_3060_ti(), root_port()] {
        let mut space = Watched::new(space);
        let pointer = CapabilityPointer::read(&mut space).unwrap();
        assert_eq!(space.reads, [0x04, 0x0c, 0x34]);
        assert_eq!(pointer, Header::read(&mut space).unwrap().capability_pointer());
        assert!(matches!(pointer, Some(CapabilityPointer::Listed { .. })), "{pointer:?}");
    }
    let absent = Memory::new([0xff; 256]).unwrap();
    assert!(matches!(
        CapabilityPointer::read(absent),
        Err(RegisterError::AllOnes { .. })
    ));
}

#[test]
fn view_knows_its_header_without_reading_it_again() {
    let mut space = Watched::new(rtx_3060_ti());
    let proof = ExtendedSpace::assume();
    let list: ExtendedList<_> = ExtendedList::read(&mut space, proof);
    space.reads.clear();
    let power_budgeting = list.find(ExtendedId(0x0004)).unwrap();
    let mut view = list.view(power_budgeting, &mut space);
    assert_eq!(view.read(Offset::at::<0x00>()), Ok(0x4201_0004));
    assert_eq!(view.read(Offset::at::<0x08>()), Ok(0x0007_8121));
    assert_eq!(space.reads, [0x130]);
}

//! Registers that a header or a decoder must not take at face value.

use reseat_core::capability::advanced_features::{AdvancedFeatures, AdvancedFeaturesCapabilities};
use reseat_core::capability::express::{
    Express, ExpressCapabilities, Indicator, PowerControllerControl, SlotControl, SlotStatus,
};
use reseat_core::capability::list::StandardList;
use reseat_core::capability::power_management::{PowerManagement, PowerManagementControlStatus, PowerState};
use reseat_core::capability::view::ViewError;
use reseat_core::config::{Memory, MemoryError, Offset, RegisterError};
use reseat_core::header::{Common, Header, InterruptPin, Layout};

use crate::hex::space;
use crate::readers::Watched;

type Space = Watched<Memory<[u8; 256]>>;

/// A function whose standard list begins at 40, and that list.
fn function(registers: &[(u32, u32)]) -> (Space, StandardList<MemoryError>) {
    let mut space = space::<256>(registers);
    space[0x06] = 0x10;
    space[0x34] = 0x40;
    let mut memory = Watched::new(Memory::new(space).unwrap());
    let pointer = Header::read(&mut memory).unwrap().capability_pointer().unwrap();
    let list = StandardList::read(&mut memory, pointer);
    memory.reads.clear();
    (memory, list)
}

#[test]
fn header_of_an_absent_function_is_an_error() {
    let at = Offset::at::<0x04>();
    let memory = Memory::new([0xff; 256]).unwrap();
    assert_eq!(Header::read(memory), Err(RegisterError::AllOnes { at }));
}

#[test]
fn virtual_function_has_a_header_and_no_identity() {
    let memory = Memory::new(space::<256>(&[(0x00, u32::MAX), (0x04, 0x0010_0006)])).unwrap();
    let common = Common::read(memory).unwrap();
    assert_eq!(common.identity.to_string(), "ffff:ffff");
    assert!(common.command.bus_master());
}

#[test]
fn unknown_layout_has_no_pointer() {
    let registers = [(0x04, 0x0010_0000), (0x0c, 0x0083_0000), (0x34, 0x40)];
    let header = Header::read(Memory::new(space::<256>(&registers)).unwrap()).unwrap();
    assert_eq!(header.layout, Layout::Unknown);
    assert_eq!(header.capability_pointer(), None);
    assert!(header.common.header_type.multi_function());
}

#[test]
fn pmcsr_of_all_ones_is_not_d3hot() {
    let (mut space, list) = function(&[(0x40, 0x0003_0001), (0x44, u32::MAX)]);
    let mut power = PowerManagement::find(&list, &mut space).unwrap();
    let error = RegisterError::AllOnes {
        at: Offset::at::<0x44>(),
    };
    assert_eq!(power.control_status(), Err(ViewError::Register(error)));
}

#[test]
fn power_states_have_their_codes() {
    for (bits, state) in [
        (0, PowerState::D0),
        (1, PowerState::D1),
        (2, PowerState::D2),
        (3, PowerState::D3hot),
    ] {
        assert_eq!(PowerManagementControlStatus::from_bits(bits).power_state(), state);
    }
}

#[test]
fn new_power_state_keeps_the_other_bits() {
    let before = PowerManagementControlStatus::from_bits(0x61f7);
    assert_eq!(u16::from(before.with_power_state(PowerState::D0)), 0x61f4);
}

#[test]
fn slot_power_reads_the_other_way_round() {
    assert_eq!(SlotControl::from_bits(0x07c0).power(), PowerControllerControl::Off);
    assert_eq!(SlotControl::from_bits(0x03c0).power(), PowerControllerControl::On);
    let off = SlotControl::from_bits(0x03c0).with_power(PowerControllerControl::Off);
    assert_eq!(u16::from(off), 0x07c0);
}

#[test]
fn slot_lamps_have_two_bits_each() {
    let control = SlotControl::from_bits(0x0240);
    assert_eq!(control.attention_indicator(), Indicator::On);
    assert_eq!(control.power_indicator(), Indicator::Blink);
    let off = control.with_attention_indicator(Indicator::Off);
    assert_eq!(u16::from(off), 0x02c0, "and nothing else is written");
    assert_eq!(SlotControl::from_bits(0).power_indicator(), Indicator::Reserved);
}

#[test]
fn slot_status_bits() {
    let set = SlotStatus::from_bits(0x0125);
    assert!(set.attention_button() && set.mrl_sensor_changed() && set.mrl_open() && set.link_state_changed());
    assert!(!set.power_fault() && !set.presence_detect_changed() && !set.command_completed());
    assert!(!set.presence() && !set.interlock());
}

#[test]
fn root_registers_of_a_root_port() {
    let mut registers = vec![(0x40, 0x0042_0010), (0x5c, 0x0001_001e), (0x60, 0x0002_1900)];
    let (mut space, list) = function(&registers);
    let mut express = Express::find(&list, &mut space).unwrap();
    let (control, capabilities) = express.root().unwrap().unwrap();
    assert!(control.system_error_on_non_fatal() && control.system_error_on_fatal() && control.pme_interrupt());
    assert!(!control.system_error_on_correctable() && capabilities.rrs_software_visibility());
    let status = express.root_status().unwrap().unwrap();
    assert_eq!(status.pme_requester(), 0x1900);
    assert!(status.pme_pending() && !status.pme_status());

    registers[2].1 = u32::MAX;
    let (mut space, list) = function(&registers);
    let at = Offset::at::<0x60>();
    let error = RegisterError::AllOnes { at };
    let mut express = Express::find(&list, &mut space).unwrap();
    assert_eq!(express.root_status(), Err(ViewError::Register(error)));
}

#[test]
fn port_that_forwards_ari() {
    let registers = [(0x40, 0x0042_0010), (0x64, 0x8000_0820), (0x68, 0x0420)];
    let (mut space, list) = function(&registers);
    let mut express = Express::find(&list, &mut space).unwrap();
    let capabilities = express.device_capabilities_2().unwrap().unwrap();
    assert!(capabilities.ari_forwarding() && capabilities.latency_tolerance_reporting());
    assert!(capabilities.function_readiness_status() && !capabilities.completion_timeout_disable());
    let control = express.device_control_2().unwrap().unwrap();
    assert!(control.ari_forwarding() && control.latency_tolerance_reporting());
    assert!(!control.completion_timeout_disable() && !control.ten_bit_tag_requester());
}

#[test]
fn version_1_has_no_second_registers() {
    let (mut space, list) = function(&[(0x40, 0x0041_0010)]);
    let mut express = Express::find(&list, &mut space).unwrap();
    assert_eq!(express.device_capabilities_2(), Ok(None));
    assert_eq!(express.device_control_2(), Ok(None));
    assert_eq!(express.link_capabilities_2(), Ok(None));
    assert_eq!(express.link_2(), Ok(None));
    assert!(space.reads.is_empty());
}

#[test]
fn bridge_control_is_the_upper_half_beside_the_pin() {
    let registers = [(0x04, 0x0010_0000), (0x0c, 0x0001_0000), (0x3c, 0x0043_0200)];
    let mut space = Watched::new(Memory::new(space::<256>(&registers)).unwrap());
    let Layout::Type1(layout) = Header::read(&mut space).unwrap().layout else {
        panic!()
    };
    assert_eq!(layout.interrupt_pin, InterruptPin::B);
    let control = layout.bridge_control;
    assert!(control.secondary_bus_reset() && control.parity_error_response() && control.serr());
    assert!(!control.isa() && !control.vga() && !control.vga_16_bit() && !control.master_abort());
    assert_eq!(u16::from(control.with_secondary_bus_reset(false)), 0x0003);
    assert_eq!(space.reads.len(), 9, "the two share one read");
}

#[test]
fn af_flr_takes_both_bits() {
    for (bits, offered) in [(0b00, false), (0b01, false), (0b10, false), (0b11, true)] {
        assert_eq!(
            AdvancedFeaturesCapabilities::from_bits(bits).offers_flr(),
            offered,
            "{bits:#b}"
        );
    }
}

#[test]
fn af_control_and_status() {
    let (mut space, list) = function(&[(0x40, 0x0306_0013), (0x44, 0x0100)]);
    let mut features = AdvancedFeatures::find(&list, &mut space).unwrap();
    assert!(features.capabilities().offers_flr());
    let (control, status) = features.control_status().unwrap();
    assert!(!control.initiate_flr());
    assert!(status.transactions_pending());
}

#[test]
fn version_1_endpoint_is_not_read_beyond_its_link() {
    let (mut space, list) = function(&[(0x40, 0x0001_0010), (0x44, 0x0002), (0x54, 0x1234_5678)]);
    let mut express = Express::find(&list, &mut space).unwrap();
    assert!(express.link().unwrap().is_some());
    assert_eq!(express.slot_capabilities(), Ok(None));
    assert_eq!(express.slot(), Ok(None));
    assert_eq!(express.root(), Ok(None));
    assert_eq!(space.reads, [0x50]);
}

#[test]
fn integrated_endpoint_is_not_read_beyond_its_device() {
    let (mut space, list) = function(&[(0x40, 0x0091_0010)]);
    let mut express = Express::find(&list, &mut space).unwrap();
    assert_eq!(express.link_capabilities(), Ok(None));
    assert_eq!(express.link(), Ok(None));
    assert!(space.reads.is_empty());
}

#[test]
fn slot_bit_of_an_endpoint_means_nothing() {
    assert!(!ExpressCapabilities::from_bits(0x0102).has_slot());
    assert!(ExpressCapabilities::from_bits(0x0142).has_slot());
    assert!(ExpressCapabilities::from_bits(0x0162).has_slot());
    assert!(
        !ExpressCapabilities::from_bits(0x0152).has_slot(),
        "upstream ports have no slot"
    );
}

#[test]
fn decoder_stops_at_its_bound() {
    let (mut space, list) = function(&[(0x40, 0x0002_4410), (0x44, 0x0005)]);
    let mut express = Express::find(&list, &mut space).unwrap();
    let relative = Offset::at::<0x04>();
    assert_eq!(
        express.device_capabilities(),
        Err(ViewError::BeyondBound { relative, length: 4 })
    );
    assert!(space.reads.is_empty());
}

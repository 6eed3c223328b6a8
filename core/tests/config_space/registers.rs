//! Registers that a header or a decoder must not trust blindly.

use reseat_core::capability::advanced_features::{AdvancedFeatures, AdvancedFeaturesCapabilities};
use reseat_core::capability::express::{
    CrosslinkResolution, DeviceCapabilities2, DownstreamComponentPresence, Express, ExpressCapabilities, Indicator,
    LinkStatus2, PowerControllerControl, SlotControl, SlotStatus,
};
use reseat_core::capability::list::StandardList;
use reseat_core::capability::power_management::{PowerManagement, PowerManagementControlStatus, PowerState};
use reseat_core::capability::view::ViewError;
use reseat_core::config::{Memory, MemoryError, Offset, RegisterError};
use reseat_core::header::{Common, Header, InterruptPin, Layout};

use crate::hex::space;
use crate::readers::Watched;

type Space = Watched<Memory<[u8; 256]>>;

/// Returns a function whose standard list begins at 40, and the list.
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
    assert_eq!(
        SlotControl::from_bits(0x07c0).power_controller_control(),
        PowerControllerControl::Off
    );
    assert_eq!(
        SlotControl::from_bits(0x03c0).power_controller_control(),
        PowerControllerControl::On
    );
    let off = SlotControl::from_bits(0x03c0).with_power_controller_control(PowerControllerControl::Off);
    assert_eq!(u16::from(off), 0x07c0);
}

#[test]
fn slot_lamps_have_two_bits_each() {
    let control = SlotControl::from_bits(0x0240);
    assert_eq!(control.attention_indicator_control(), Indicator::On);
    assert_eq!(control.power_indicator_control(), Indicator::Blink);
    let off = control.with_attention_indicator_control(Indicator::Off);
    assert_eq!(u16::from(off), 0x02c0, "and nothing else is written");
    assert_eq!(SlotControl::from_bits(0).power_indicator_control(), Indicator::Reserved);
}

#[test]
fn slot_status_bits() {
    let set = SlotStatus::from_bits(0x0125);
    assert!(
        set.attention_button_pressed()
            && set.mrl_sensor_changed()
            && set.mrl_sensor_state()
            && set.data_link_layer_state_changed()
    );
    assert!(!set.power_fault_detected() && !set.presence_detect_changed() && !set.command_completed());
    assert!(!set.presence_detect_state() && !set.electromechanical_interlock_status());
}

#[test]
fn root_registers_of_a_root_port() {
    let mut registers = vec![(0x40, 0x0042_0010), (0x5c, 0x0001_001e), (0x60, 0x0002_1900)];
    let (mut space, list) = function(&registers);
    let mut express = Express::find(&list, &mut space).unwrap();
    let (control, capabilities) = express.root().unwrap().unwrap();
    assert!(
        control.system_error_on_non_fatal_error_enable()
            && control.system_error_on_fatal_error_enable()
            && control.pme_interrupt_enable()
    );
    assert!(!control.system_error_on_correctable_error_enable() && capabilities.rrs_software_visibility());
    let status = express.root_status().unwrap().unwrap();
    assert_eq!(status.pme_requester_id(), 0x1900);
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
    assert!(capabilities.ari_forwarding_supported() && capabilities.ltr_mechanism_supported());
    assert!(capabilities.frs_supported() && !capabilities.completion_timeout_disable_supported());
    let control = express.device_control_2().unwrap().unwrap();
    assert!(control.ari_forwarding_enable() && control.ltr_mechanism_enable());
    assert!(!control.completion_timeout_disable() && !control.ten_bit_tag_requester_enable());
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

#[test]
fn every_field_of_device_capabilities_2_is_decoded() {
    // A switch's downstream port with every flag set that is not part of a two-bit code, and different codes.
    let all = DeviceCapabilities2::from_bits(0x9df5_5fff);
    assert_eq!(all.completion_timeout_ranges_supported(), 0xf);
    assert_eq!((all.tph_completer_supported(), all.ln_system_cls()), (1, 1));
    assert_eq!((all.obff_supported(), all.max_end_end_tlp_prefixes()), (1, 3));
    assert_eq!(
        (all.emergency_power_reduction_supported(), all.dmwr_lengths_supported()),
        (1, 0)
    );
    let flag = |bit: u32| {
        let register = DeviceCapabilities2::from_bits(1 << bit);
        [
            register.completion_timeout_disable_supported(),
            register.ari_forwarding_supported(),
            register.atomic_op_routing_supported(),
            register.atomic_op_32_bit_completer_supported(),
            register.atomic_op_64_bit_completer_supported(),
            register.cas_128_bit_completer_supported(),
            register.no_ro_enabled_pr_pr_passing(),
            register.ltr_mechanism_supported(),
            register.ten_bit_tag_completer_supported(),
            register.ten_bit_tag_requester_supported(),
            register.extended_fmt_field_supported(),
            register.end_end_tlp_prefix_supported(),
            register.emergency_power_reduction_initialization_required(),
            register.dmwr_completer_supported(),
            register.frs_supported(),
        ]
    };
    let bits = [4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 20, 21, 26, 28, 31];
    for (index, bit) in bits.into_iter().enumerate() {
        let set = flag(bit);
        assert!(set[index], "bit {bit}");
        assert_eq!(set.iter().filter(|set| **set).count(), 1, "bit {bit}");
    }
    for bit in (0..32).filter(|bit| !bits.contains(bit)) {
        assert_eq!(flag(bit), [false; 15], "bit {bit}");
    }
    let codes = DeviceCapabilities2::from_bits(0x6288_e00a);
    assert_eq!(codes.completion_timeout_ranges_supported(), 0xa);
    assert_eq!((codes.tph_completer_supported(), codes.ln_system_cls()), (2, 3));
    assert_eq!((codes.obff_supported(), codes.max_end_end_tlp_prefixes()), (2, 2));
    assert_eq!(
        (
            codes.emergency_power_reduction_supported(),
            codes.dmwr_lengths_supported()
        ),
        (2, 3)
    );
}

#[test]
fn every_field_of_link_status_2_is_decoded() {
    // A link at 64 GT/s with a retimer, in Flit Mode, to a component that reported that it is ready.
    let up = LinkStatus2::from_bits(0xd45e);
    assert!(up.equalization_8_0_gts_complete() && up.equalization_8_0_gts_phase_1_successful());
    assert!(up.equalization_8_0_gts_phase_2_successful() && up.equalization_8_0_gts_phase_3_successful());
    assert!(up.retimer_presence_detected() && !up.two_retimers_presence_detected());
    assert!(up.flit_mode_status() && up.drs_message_received());
    assert!(!up.current_de_emphasis_level() && !up.link_equalization_request_8_0_gts());
    assert_eq!(up.crosslink_resolution(), CrosslinkResolution::NotSupported);
    assert_eq!(
        up.downstream_component_presence(),
        DownstreamComponentPresence::LinkUpPresentDrsReceived
    );
    // At 5 GT/s with −3.5 dB, across a crosslink, and a slot without a card.
    let down = LinkStatus2::from_bits(0x12a1);
    assert!(down.current_de_emphasis_level() && down.link_equalization_request_8_0_gts());
    assert!(down.two_retimers_presence_detected() && !down.retimer_presence_detected());
    assert!(!down.flit_mode_status() && !down.drs_message_received() && !down.equalization_8_0_gts_complete());
    assert_eq!(down.crosslink_resolution(), CrosslinkResolution::DownstreamPort);
    assert_eq!(
        down.downstream_component_presence(),
        DownstreamComponentPresence::LinkDownNotPresent
    );
    for bits in 0..=7_u8 {
        let register = u16::from(bits) << 12 | u16::from(bits & 3) << 8;
        let status = LinkStatus2::from_bits(register);
        let rebuilt = LinkStatus2::new()
            .with_downstream_component_presence(status.downstream_component_presence())
            .with_crosslink_resolution(status.crosslink_resolution());
        assert_eq!(rebuilt.into_bits(), register);
    }
}

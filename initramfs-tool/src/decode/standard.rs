//! The registers of the standard capabilities.

use reseat_core::capability::advanced_features::AdvancedFeatures;
use reseat_core::capability::express::Express;
use reseat_core::capability::list::StandardList;
use reseat_core::capability::power_management::PowerManagement;
use reseat_core::capability::{Capability, StandardId};

use super::hex::{DumpedSpace, NotDumped};
use super::register::{Registers, content};

/// The registers of `capability`; none if there is no decoder for it.
pub(super) fn registers(
    list: &StandardList<NotDumped>,
    capability: &Capability<StandardId>,
    space: &mut DumpedSpace,
) -> Registers {
    let mut registers = Registers::default();
    if let Some(power) = PowerManagement::at(list, capability, &mut *space) {
        power_management(&mut registers, power);
    } else if let Some(features) = AdvancedFeatures::at(list, capability, &mut *space) {
        advanced_features(&mut registers, features);
    } else if let Some(mut express) = Express::at(list, capability, &mut *space) {
        express_device(&mut registers, &mut express);
        express_link(&mut registers, &mut express);
        express_slot(&mut registers, &mut express);
        express_root(&mut registers, &mut express);
        express_second(&mut registers, &mut express);
    }
    registers
}

fn power_management(registers: &mut Registers, mut power: PowerManagement<&mut DumpedSpace>) {
    let capabilities = power.capabilities();
    registers.add(
        "capabilities",
        content!(capabilities;
            version, pme_clock, immediate_readiness_on_return_to_d0, device_specific_initialization,
            aux_current_milliamperes, d1, d2,
            pme_from_d0, pme_from_d1, pme_from_d2, pme_from_d3hot, pme_from_d3cold,
        ),
    );
    registers.read(
        "control_status",
        power.control_status(),
        |register| content!(register; power_state, no_soft_reset, pme_enable, data_select, data_scale, pme_status),
    );
}

fn advanced_features(registers: &mut Registers, mut features: AdvancedFeatures<&mut DumpedSpace>) {
    let capabilities = features.capabilities();
    registers.add(
        "capabilities",
        content!(capabilities; transactions_pending, function_level_reset),
    );
    registers.read_pair(
        ["control", "status"],
        features.control_status(),
        |control| content!(control; initiate_flr),
        |status| content!(status; transactions_pending),
    );
}

fn express_device(registers: &mut Registers, express: &mut Express<&mut DumpedSpace>) {
    let capabilities = express.capabilities();
    registers.add(
        "capabilities",
        content!(capabilities; version, port_type, slot_implemented, interrupt_message_number),
    );
    registers.read(
        "device_capabilities",
        express.device_capabilities(),
        |register| content!(register; max_payload_size_supported, phantom_functions, extended_tag, role_based_error_reporting, function_level_reset),
    );
    registers.read_pair(
        ["device_control", "device_status"],
        express.device(),
        |control| {
            content!(control;
                correctable_error_reporting, non_fatal_error_reporting, fatal_error_reporting,
                unsupported_request_reporting, relaxed_ordering, max_payload_size, extended_tag, phantom_functions,
                aux_power, no_snoop, max_read_request_size, initiate_flr,
            )
        },
        |status| {
            content!(status;
                correctable_error, non_fatal_error, fatal_error, unsupported_request, aux_power, transactions_pending,
            )
        },
    );
}

fn express_link(registers: &mut Registers, express: &mut Express<&mut DumpedSpace>) {
    registers.read_if_there("link_capabilities", express.link_capabilities(), |register| {
        content!(register;
            max_speed, max_width, aspm, clock_power_management, surprise_down_error_reporting, link_active_reporting,
            bandwidth_notification, aspm_optionality, port_number,
        )
    });
    registers.read_pair_if_there(
        ["link_control", "link_status"],
        express.link(),
        |control| {
            content!(control;
                aspm, link_disable, common_clock, extended_synch, clock_power_management, autonomous_width_disable,
                bandwidth_management_interrupt, autonomous_bandwidth_interrupt,
            )
        },
        |status| {
            content!(status;
                speed, width, link_training, slot_clock, link_active, bandwidth_management, autonomous_bandwidth,
            )
        },
    );
}

fn express_slot(registers: &mut Registers, express: &mut Express<&mut DumpedSpace>) {
    registers.read_if_there("slot_capabilities", express.slot_capabilities(), |register| {
        content!(register;
            attention_button, power_controller, mrl_sensor, attention_indicator, power_indicator, hot_plug_surprise,
            hot_plug, power_limit_value, power_limit_scale, interlock, no_command_completed, physical_slot_number,
        )
    });
    registers.read_pair_if_there(
        ["slot_control", "slot_status"],
        express.slot(),
        |control| {
            content!(control;
                attention_button_enable, power_fault_enable, mrl_sensor_changed_enable, presence_detect_changed_enable,
                command_completed_interrupt_enable, hot_plug_interrupt_enable, attention_indicator, power_indicator,
                power, interlock, link_state_changed_enable,
            )
        },
        |status| {
            content!(status;
                attention_button, power_fault, mrl_sensor_changed, presence_detect_changed, command_completed, mrl_open,
                presence, interlock, link_state_changed,
            )
        },
    );
}

fn express_root(registers: &mut Registers, express: &mut Express<&mut DumpedSpace>) {
    registers.read_pair_if_there(
        ["root_control", "root_capabilities"],
        express.root(),
        |control| {
            content!(control;
                system_error_on_correctable, system_error_on_non_fatal, system_error_on_fatal, pme_interrupt,
                rrs_visibility,
            )
        },
        |capabilities| content!(capabilities; rrs_software_visibility),
    );
    registers.read_if_there(
        "root_status",
        express.root_status(),
        |register| content!(register; pme_requester, pme_status, pme_pending),
    );
}

fn express_second(registers: &mut Registers, express: &mut Express<&mut DumpedSpace>) {
    registers.read_if_there("device_capabilities_2", express.device_capabilities_2(), |register| {
        content!(register;
            completion_timeout_disable, ari_forwarding, latency_tolerance_reporting, ten_bit_tag_completer,
            ten_bit_tag_requester, function_readiness_status,
        )
    });
    registers.read_if_there("device_control_2", express.device_control_2(), |register| {
        content!(register;
            completion_timeout_disable, ari_forwarding, latency_tolerance_reporting, ten_bit_tag_requester,
        )
    });
    registers.read_if_there("link_capabilities_2", express.link_capabilities_2(), |register| {
        content!(register;
            speeds, crosslink, retimer_presence_detect, two_retimers_presence_detect, device_readiness_status,
        )
    });
    registers.read_pair_if_there(
        ["link_control_2", "link_status_2"],
        express.link_2(),
        |control| content!(control; target_speed, enter_compliance, autonomous_speed_disable),
        |status| {
            content!(status;
                equalization_complete, equalization_phase_1, equalization_phase_2, equalization_phase_3,
                equalization_request, retimer, two_retimers, device_readiness_status_received,
            )
        },
    );
}

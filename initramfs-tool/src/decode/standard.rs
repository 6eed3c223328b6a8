//! The registers of the standard capabilities.

use reseat_core::capability::advanced_features::AdvancedFeatures;
use reseat_core::capability::express::Express;
use reseat_core::capability::list::StandardList;
use reseat_core::capability::power_management::PowerManagement;
use reseat_core::capability::{Capability, StandardId};

use super::hex::space::{DumpedSpace, NotDumped};
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
            aux_current_milliamperes, d1_support, d2_support,
            pme_support_d0, pme_support_d1, pme_support_d2, pme_support_d3hot, pme_support_d3cold,
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
        content!(capabilities; capability_version, device_port_type, slot_implemented, interrupt_message_number),
    );
    registers.read("device_capabilities", express.device_capabilities(), |register| {
        content!(register;
            max_payload_size_supported, phantom_functions_supported, extended_tag_field_supported,
            role_based_error_reporting, function_level_reset_capability,
        )
    });
    registers.read_pair(
        ["device_control", "device_status"],
        express.device(),
        |control| {
            content!(control;
                correctable_error_reporting_enable, non_fatal_error_reporting_enable, fatal_error_reporting_enable,
                unsupported_request_reporting_enable, enable_relaxed_ordering, max_payload_size,
                extended_tag_field_enable, phantom_functions_enable, aux_power_pm_enable, enable_no_snoop,
                max_read_request_size, initiate_function_level_reset,
            )
        },
        |status| {
            content!(status;
                correctable_error_detected, non_fatal_error_detected, fatal_error_detected,
                unsupported_request_detected, aux_power_detected, transactions_pending,
            )
        },
    );
}

fn express_link(registers: &mut Registers, express: &mut Express<&mut DumpedSpace>) {
    registers.read_if_there("link_capabilities", express.link_capabilities(), |register| {
        content!(register;
            max_link_speed, maximum_link_width, aspm_support, clock_power_management,
            surprise_down_error_reporting_capable, data_link_layer_link_active_reporting_capable,
            link_bandwidth_notification_capability, aspm_optionality_compliance, port_number,
        )
    });
    registers.read_pair_if_there(
        ["link_control", "link_status"],
        express.link(),
        |control| {
            content!(control;
                aspm_control, link_disable, common_clock_configuration, extended_synch,
                enable_clock_power_management, hardware_autonomous_width_disable,
                link_bandwidth_management_interrupt_enable, link_autonomous_bandwidth_interrupt_enable,
            )
        },
        |status| {
            content!(status;
                current_link_speed, negotiated_link_width, link_training, slot_clock_configuration,
                data_link_layer_link_active, link_bandwidth_management_status, link_autonomous_bandwidth_status,
            )
        },
    );
}

fn express_slot(registers: &mut Registers, express: &mut Express<&mut DumpedSpace>) {
    registers.read_if_there("slot_capabilities", express.slot_capabilities(), |register| {
        content!(register;
            attention_button_present, power_controller_present, mrl_sensor_present, attention_indicator_present,
            power_indicator_present, hot_plug_surprise, hot_plug_capable, slot_power_limit_value,
            slot_power_limit_scale, electromechanical_interlock_present, no_command_completed_support,
            physical_slot_number,
        )
    });
    registers.read_pair_if_there(
        ["slot_control", "slot_status"],
        express.slot(),
        |control| {
            content!(control;
                attention_button_pressed_enable, power_fault_detected_enable, mrl_sensor_changed_enable,
                presence_detect_changed_enable, command_completed_interrupt_enable, hot_plug_interrupt_enable,
                attention_indicator_control, power_indicator_control, power_controller_control,
                electromechanical_interlock_control, data_link_layer_state_changed_enable,
            )
        },
        |status| {
            content!(status;
                attention_button_pressed, power_fault_detected, mrl_sensor_changed, presence_detect_changed,
                command_completed, mrl_sensor_state, presence_detect_state, electromechanical_interlock_status,
                data_link_layer_state_changed,
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
                system_error_on_correctable_error_enable, system_error_on_non_fatal_error_enable,
                system_error_on_fatal_error_enable, pme_interrupt_enable, rrs_software_visibility_enable,
            )
        },
        |capabilities| content!(capabilities; rrs_software_visibility),
    );
    registers.read_if_there(
        "root_status",
        express.root_status(),
        |register| content!(register; pme_requester_id, pme_status, pme_pending),
    );
}

fn express_second(registers: &mut Registers, express: &mut Express<&mut DumpedSpace>) {
    registers.read_if_there("device_capabilities_2", express.device_capabilities_2(), |register| {
        content!(register;
            completion_timeout_ranges_supported, completion_timeout_disable_supported, ari_forwarding_supported,
            atomic_op_routing_supported, atomic_op_32_bit_completer_supported, atomic_op_64_bit_completer_supported,
            cas_128_bit_completer_supported, no_ro_enabled_pr_pr_passing, ltr_mechanism_supported,
            tph_completer_supported, ln_system_cls, ten_bit_tag_completer_supported, ten_bit_tag_requester_supported,
            obff_supported, extended_fmt_field_supported, end_end_tlp_prefix_supported, max_end_end_tlp_prefixes,
            emergency_power_reduction_supported, emergency_power_reduction_initialization_required,
            dmwr_completer_supported, dmwr_lengths_supported, frs_supported,
        )
    });
    registers.read_if_there("device_control_2", express.device_control_2(), |register| {
        content!(register;
            completion_timeout_disable, ari_forwarding_enable, ltr_mechanism_enable, ten_bit_tag_requester_enable,
        )
    });
    registers.read_if_there("link_capabilities_2", express.link_capabilities_2(), |register| {
        content!(register;
            supported_link_speeds_vector, crosslink_supported, retimer_presence_detect_supported,
            two_retimers_presence_detect_supported, drs_supported,
        )
    });
    registers.read_pair_if_there(
        ["link_control_2", "link_status_2"],
        express.link_2(),
        |control| content!(control; target_link_speed, enter_compliance, hardware_autonomous_speed_disable),
        |status| {
            content!(status;
                current_de_emphasis_level, equalization_8_0_gts_complete, equalization_8_0_gts_phase_1_successful,
                equalization_8_0_gts_phase_2_successful, equalization_8_0_gts_phase_3_successful,
                link_equalization_request_8_0_gts, retimer_presence_detected, two_retimers_presence_detected,
                crosslink_resolution, flit_mode_status, downstream_component_presence, drs_message_received,
            )
        },
    );
}

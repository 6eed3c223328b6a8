//! The registers of the extended capabilities.

use reseat_core::capability::acs::Acs;
use reseat_core::capability::aer::{Aer, CorrectableErrors, UncorrectableErrors};
use reseat_core::capability::ari::Ari;
use reseat_core::capability::cxl_flex_bus::CxlFlexBusPort;
use reseat_core::capability::designated_vendor_specific::{CxlPort, DesignatedVendorSpecific};
use reseat_core::capability::dpc::Dpc;
use reseat_core::capability::express::PortType;
use reseat_core::capability::list::ExtendedList;
use reseat_core::capability::resizable_bar::{BarSize, ResizableBars};
use reseat_core::capability::secondary_express::SecondaryExpress;
use reseat_core::capability::serial_number::DeviceSerialNumber;
use reseat_core::capability::sr_iov::SrIov;
use reseat_core::capability::vendor_specific::VendorSpecific;
use reseat_core::capability::{Capability, ExtendedId};

use super::hex::space::{DumpedSpace, NotDumped};
use super::register::{Field, RegisterContent, Registers, content, single};
use super::value::Value;

/// The registers of `capability` of a function that is a `port`; none if there is no decoder for it.
pub(super) fn registers(
    list: &ExtendedList<NotDumped>,
    capability: &Capability<ExtendedId>,
    port: Option<PortType>,
    space: &mut DumpedSpace,
) -> Registers {
    let mut registers = Registers::default();
    if let Some(aer) = Aer::at(list, capability, &mut *space) {
        advanced_error_reporting(&mut registers, aer, port);
    } else if let Some(serial_number) = DeviceSerialNumber::at(list, capability, &mut *space) {
        device_serial_number(&mut registers, serial_number);
    } else if let Some(vendor_specific) = VendorSpecific::at(list, capability, &mut *space) {
        vendor_specific_header(&mut registers, vendor_specific);
    } else if let Some(acs) = Acs::at(list, capability, &mut *space) {
        access_control_services(&mut registers, acs);
    } else if let Some(ari) = Ari::at(list, capability, &mut *space) {
        alternative_routing_id(&mut registers, ari);
    } else if let Some(sr_iov) = SrIov::at(list, capability, &mut *space) {
        single_root_io_virtualization(&mut registers, sr_iov);
    } else if let Some(bars) = ResizableBars::at(list, capability, &mut *space) {
        resizable_bars(&mut registers, bars);
    } else if let Some(secondary) = SecondaryExpress::at(list, capability, &mut *space) {
        secondary_express(&mut registers, secondary);
    } else if let Some(dpc) = Dpc::at(list, capability, &mut *space) {
        downstream_port_containment(&mut registers, dpc);
    } else if let Some(designated) = DesignatedVendorSpecific::at(list, capability, &mut *space) {
        designated_vendor_specific(&mut registers, designated);
    }
    registers
}

fn advanced_error_reporting(registers: &mut Registers, mut aer: Aer<&mut DumpedSpace>, port: Option<PortType>) {
    registers.read("uncorrectable_status", aer.uncorrectable_status(), uncorrectable);
    registers.read("uncorrectable_mask", aer.uncorrectable_mask(), uncorrectable);
    registers.read("uncorrectable_severity", aer.uncorrectable_severity(), uncorrectable);
    registers.read("correctable_status", aer.correctable_status(), correctable);
    registers.read("correctable_mask", aer.correctable_mask(), correctable);
    registers.read("capabilities_control", aer.capabilities_control(), |register| {
        content!(register;
            first_error_pointer, ecrc_generation_capable, ecrc_generation_enable, ecrc_check_capable,
            ecrc_check_enable, multiple_header_recording_capable, multiple_header_recording_enable,
            tlp_prefix_log_present, completion_timeout_prefix_header_log_capable,
        )
    });
    registers.read("header_log", aer.header_log(), |log| {
        let text = log.map(|register| format!("{register:08x}")).join(" ");
        single("header", text.replace(' ', ""), text)
    });
    let Some(port) = port else { return };
    registers.read_if_there("root_command", aer.root_command(port), |register| {
        content!(register;
            correctable_error_reporting_enable, non_fatal_error_reporting_enable, fatal_error_reporting_enable,
        )
    });
    registers.read_if_there("root_status", aer.root_status(port), |register| {
        content!(register;
            err_cor_received, multiple_err_cor_received, err_fatal_nonfatal_received,
            multiple_err_fatal_nonfatal_received, first_uncorrectable_fatal, non_fatal_error_messages_received,
            fatal_error_messages_received, advanced_error_interrupt_message_number,
        )
    });
    registers.read_if_there("error_source", aer.error_source(port), |register| {
        let id = |name, source: u16| Field {
            name,
            value: Value::Text(format!("{source:04x}")),
        };
        RegisterContent {
            raw: format!("{:08x}", register.into_bits()),
            fields: vec![
                id(
                    "err_cor_source_identification",
                    register.err_cor_source_identification(),
                ),
                id(
                    "err_fatal_nonfatal_source_identification",
                    register.err_fatal_nonfatal_source_identification(),
                ),
            ],
        }
    });
}

fn uncorrectable(errors: UncorrectableErrors) -> RegisterContent {
    content!(errors;
        data_link_protocol_error, surprise_down_error, poisoned_tlp_received, flow_control_protocol_error,
        completion_timeout, completer_abort, unexpected_completion, receiver_overflow, malformed_tlp, ecrc_error,
        unsupported_request_error, acs_violation, uncorrectable_internal_error, mc_blocked_tlp,
        atomic_op_egress_blocked, tlp_prefix_blocked_error, poisoned_tlp_egress_blocked, dmwr_request_egress_blocked,
        ide_check_failed, misrouted_ide_tlp, pcrc_check_failed, tlp_translation_egress_blocked,
    )
}

fn correctable(errors: CorrectableErrors) -> RegisterContent {
    content!(errors;
        receiver_error, bad_tlp, bad_dllp, replay_num_rollover, replay_timer_timeout, advisory_non_fatal_error,
        corrected_internal_error, header_log_overflow,
    )
}

fn device_serial_number(registers: &mut Registers, mut serial_number: DeviceSerialNumber<&mut DumpedSpace>) {
    registers.read("serial_number", serial_number.number(), |number| {
        single("number", format!("{:016x}", number.0), number.to_string())
    });
}

fn vendor_specific_header(registers: &mut Registers, mut vendor_specific: VendorSpecific<&mut DumpedSpace>) {
    registers.read("header", vendor_specific.header(), |header| RegisterContent {
        raw: format!("{:08x}", header.into_bits()),
        fields: vec![
            text("vsec_id", format!("{:04x}", header.vsec_id())),
            Field {
                name: "vsec_rev",
                value: header.vsec_rev().into(),
            },
            Field {
                name: "vsec_length",
                value: header.vsec_length().into(),
            },
        ],
    });
}

fn access_control_services(registers: &mut Registers, mut acs: Acs<&mut DumpedSpace>) {
    registers.read_pair(
        ["capability", "control"],
        acs.capability_control(),
        |capability| {
            content!(capability;
                acs_source_validation, acs_translation_blocking, acs_p2p_request_redirect,
                acs_p2p_completion_redirect, acs_upstream_forwarding, acs_p2p_egress_control,
                acs_direct_translated_p2p, acs_enhanced_capability, egress_control_vector_size,
            )
        },
        |control| {
            content!(control;
                acs_source_validation_enable, acs_translation_blocking_enable, acs_p2p_request_redirect_enable,
                acs_p2p_completion_redirect_enable, acs_upstream_forwarding_enable, acs_p2p_egress_control_enable,
                acs_direct_translated_p2p_enable,
            )
        },
    );
}

fn alternative_routing_id(registers: &mut Registers, mut ari: Ari<&mut DumpedSpace>) {
    registers.read_pair(
        ["capability", "control"],
        ari.capability_control(),
        |capability| {
            content!(capability;
                mfvc_function_groups_capability, acs_function_groups_capability, next_function_number,
            )
        },
        |control| content!(control; mfvc_function_groups_enable, acs_function_groups_enable, function_group),
    );
}

fn single_root_io_virtualization(registers: &mut Registers, mut sr_iov: SrIov<&mut DumpedSpace>) {
    registers.read("capabilities", sr_iov.capabilities(), |register| {
        content!(register;
            vf_migration_capable, ari_capable_hierarchy_preserved, vf_ten_bit_tag_requester_supported,
            vf_migration_interrupt_message_number,
        )
    });
    registers.read_pair(
        ["control", "status"],
        sr_iov.control_status(),
        |control| {
            content!(control;
                vf_enable, vf_migration_enable, vf_migration_interrupt_enable, vf_memory_space_enable,
                ari_capable_hierarchy, vf_ten_bit_tag_requester_enable,
            )
        },
        |status| content!(status; vf_migration_status),
    );
    registers.read(
        "limits",
        sr_iov.limits(),
        |register| content!(register; initial_vfs, total_vfs),
    );
    registers.read(
        "number",
        sr_iov.number(),
        |register| content!(register; num_vfs, function_dependency_link),
    );
    registers.read(
        "routing",
        sr_iov.routing(),
        |register| content!(register; first_vf_offset, vf_stride),
    );
    registers.read("device_id", sr_iov.device_id(), |id| {
        let id = format!("{id:04x}");
        single("device", id.clone(), id)
    });
    registers.read("supported_page_sizes", sr_iov.supported_page_sizes(), page_sizes);
    registers.read("system_page_size", sr_iov.system_page_size(), page_sizes);
}

fn page_sizes(register: u32) -> RegisterContent {
    let sizes = format!("{register:08x}");
    single("pages", sizes.clone(), sizes)
}

fn resizable_bars(registers: &mut Registers, mut bars: ResizableBars<&mut DumpedSpace>) {
    let number = match bars.number() {
        Ok(number) => number,
        Err(error) => return registers.read::<u8, _>("bar_0", Err(error), |_| single("number", String::new(), 0_u8)),
    };
    registers.add("number", single("bars", format!("{number:x}"), number));
    // 0 and 7 are no numbers of BARs.
    if !(1..=6).contains(&number) {
        return;
    }
    for n in 0..number {
        registers.read_if_there(format!("bar_{n}"), bars.bar(n), |bar| {
            let (capability, control) = (bar.capability.into_bits(), bar.control.into_bits());
            let sizes = bar.sizes().iter().filter_map(BarSize::bytes).collect();
            RegisterContent {
                raw: format!("{control:08x}{capability:08x}"),
                fields: vec![
                    Field {
                        name: "index",
                        value: bar.control.bar_index().into(),
                    },
                    Field {
                        name: "bar_size",
                        value: bar.control.bar_size().into(),
                    },
                    Field {
                        name: "sizes",
                        value: Value::Sizes(sizes),
                    },
                ],
            }
        });
    }
}

fn secondary_express(registers: &mut Registers, mut secondary: SecondaryExpress<&mut DumpedSpace>) {
    registers.read("link_control_3", secondary.link_control_3(), |register| {
        content!(register;
            perform_equalization, link_equalization_request_interrupt_enable, enable_lower_skp_os_generation_vector,
        )
    });
    registers.read("lane_error_status", secondary.lane_error_status(), |lanes| {
        let lanes_in_error = (0..u32::BITS).filter(|lane| lanes >> lane & 1 == 1);
        let lanes_in_error = Value::Numbers(lanes_in_error.map(u64::from).collect());
        single("lanes", format!("{lanes:08x}"), lanes_in_error)
    });
}

fn downstream_port_containment(registers: &mut Registers, mut dpc: Dpc<&mut DumpedSpace>) {
    registers.read_pair(
        ["capability", "control"],
        dpc.capability_control(),
        |capability| {
            content!(capability;
                dpc_interrupt_message_number, rp_extensions_for_dpc, poisoned_tlp_egress_blocking_supported,
                dpc_software_triggering_supported, rp_pio_log_size, dl_active_err_cor_signaling_supported,
            )
        },
        |control| {
            content!(control;
                dpc_trigger_enable, dpc_completion_control, dpc_interrupt_enable, dpc_err_cor_enable,
                poisoned_tlp_egress_blocking_enable, dpc_software_trigger, dl_active_err_cor_enable,
            )
        },
    );
    registers.read_pair(
        ["status", "error_source"],
        dpc.status_source(),
        |status| {
            content!(status;
                dpc_trigger_status, dpc_trigger_reason, dpc_interrupt_status, dpc_rp_busy,
                dpc_trigger_reason_extension, rp_pio_first_error_pointer,
            )
        },
        |source| {
            let source = format!("{source:04x}");
            single("source", source.clone(), source)
        },
    );
}

fn designated_vendor_specific(registers: &mut Registers, mut designated: DesignatedVendorSpecific<&mut DumpedSpace>) {
    let (header, id) = (designated.header(), designated.id());
    let what = (header.as_ref().ok().copied()).zip(id.as_ref().ok().copied());
    registers.read("header", header, |header| RegisterContent {
        raw: format!("{:08x}", header.into_bits()),
        fields: vec![
            text("dvsec_vendor_id", format!("{:04x}", header.dvsec_vendor_id())),
            Field {
                name: "dvsec_revision",
                value: header.dvsec_revision().into(),
            },
            Field {
                name: "dvsec_length",
                value: header.dvsec_length().into(),
            },
        ],
    });
    registers.read("id", id, |id| {
        let id = format!("{id:04x}");
        single("id", id.clone(), id)
    });
    let Some((header, id)) = what else { return };
    if id == CxlFlexBusPort::<&mut DumpedSpace>::ID {
        if let Some(mut port) = CxlFlexBusPort::of(designated, header, id) {
            registers.read(
                "cxl_flex_bus_port_status",
                port.status(),
                |register| content!(register; cache_enabled, io_enabled, mem_enabled),
            );
        }
    } else if let Some(mut port) = CxlPort::of(designated, header, id) {
        registers.read(
            "cxl_port_control",
            port.control(),
            |register| content!(register; unmask_sbr, unmask_link_disable),
        );
    }
}

fn text(name: &'static str, value: String) -> Field {
    let value = Value::Text(value);
    Field { name, value }
}

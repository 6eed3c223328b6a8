//! Advanced Error Reporting, with the bytes of a real function and of a port.

use reseat_core::capability::aer::{Aer, CorrectableErrors, UncorrectableErrors};
use reseat_core::capability::express::PortType;

use crate::decoders::{all_ones, function, one, rtx_3060_ti};

#[test]
fn rtx_3060_ti_aer() {
    let (mut space, list) = function(rtx_3060_ti());
    let mut aer = Aer::find(&list, &mut space).unwrap();
    let severity = UncorrectableErrors::new()
        .with_data_link_protocol_error(true)
        .with_surprise_down_error(true)
        .with_flow_control_protocol_error(true)
        .with_receiver_overflow(true)
        .with_malformed_tlp(true)
        .with_uncorrectable_internal_error(true);
    assert_eq!(aer.uncorrectable_severity(), Ok(severity));
    let mask = CorrectableErrors::new()
        .with_advisory_non_fatal_error(true)
        .with_header_log_overflow(true);
    assert_eq!(aer.correctable_mask(), Ok(mask));
    // An Advisory Non-Fatal error was detected; no uncorrectable error was, and none is masked.
    assert_eq!(
        aer.correctable_status(),
        Ok(CorrectableErrors::new().with_advisory_non_fatal_error(true))
    );
    assert_eq!(aer.uncorrectable_status(), Ok(UncorrectableErrors::new()));
    assert_eq!(aer.uncorrectable_mask(), Ok(UncorrectableErrors::new()));
    assert_eq!(space.reads, [0x42c, 0x434, 0x430, 0x424, 0x428]);
}

#[test]
fn every_uncorrectable_error_has_its_bit() {
    let bits = |errors: UncorrectableErrors| u32::from(errors).trailing_zeros();
    let none = UncorrectableErrors::new;
    let errors = [
        (4, none().with_data_link_protocol_error(true)),
        (5, none().with_surprise_down_error(true)),
        (12, none().with_poisoned_tlp_received(true)),
        (13, none().with_flow_control_protocol_error(true)),
        (14, none().with_completion_timeout(true)),
        (15, none().with_completer_abort(true)),
        (16, none().with_unexpected_completion(true)),
        (17, none().with_receiver_overflow(true)),
        (18, none().with_malformed_tlp(true)),
        (19, none().with_ecrc_error(true)),
        (20, none().with_unsupported_request_error(true)),
        (21, none().with_acs_violation(true)),
        (22, none().with_uncorrectable_internal_error(true)),
        (23, none().with_mc_blocked_tlp(true)),
        (24, none().with_atomic_op_egress_blocked(true)),
        (25, none().with_tlp_prefix_blocked_error(true)),
        (26, none().with_poisoned_tlp_egress_blocked(true)),
        (27, none().with_dmwr_request_egress_blocked(true)),
        (28, none().with_ide_check_failed(true)),
        (29, none().with_misrouted_ide_tlp(true)),
        (30, none().with_pcrc_check_failed(true)),
        (31, none().with_tlp_translation_egress_blocked(true)),
    ];
    for (bit, error) in errors {
        assert_eq!((bits(error), u32::from(error).count_ones()), (bit, 1), "{error:?}");
    }
}

#[test]
fn aer_of_a_root_port_has_root_registers() {
    // An ERR_COR from 19:00.0 and a fatal error from 1c:00.1; both raise interrupts on vector 2.
    let log = [0x4a00_0001, u32::MAX, 0, 0xdead_beef];
    let registers = [
        0,
        0,
        0,
        0,
        0,
        0x01a5,
        log[0],
        log[1],
        log[2],
        log[3],
        0x7,
        0x1000_0055,
        0x1c01_1900,
    ];
    let (mut space, list) = one(0x0001, &registers);
    let mut aer = Aer::find(&list, &mut space).unwrap();
    let control = aer.capabilities_control().unwrap();
    assert_eq!(control.first_error_pointer(), 5);
    assert!(control.ecrc_generation_capable() && control.ecrc_check_capable() && control.ecrc_check_enable());
    assert!(!control.ecrc_generation_enable() && !control.tlp_prefix_log_present());
    assert_eq!(aer.header_log(), Ok(log), "a header may hold any value");
    let command = aer.root_command(PortType::RootPort).unwrap().unwrap();
    assert!(command.correctable_error_reporting_enable() && command.fatal_error_reporting_enable());
    let status = aer.root_status(PortType::RootComplexEventCollector).unwrap().unwrap();
    assert!(
        status.err_cor_received()
            && status.err_fatal_nonfatal_received()
            && status.first_uncorrectable_fatal()
            && status.fatal_error_messages_received()
    );
    assert!(!status.multiple_err_cor_received() && !status.non_fatal_error_messages_received());
    assert_eq!(status.advanced_error_interrupt_message_number(), 2);
    let source = aer.error_source(PortType::RootPort).unwrap().unwrap();
    assert_eq!(
        (
            source.err_cor_source_identification(),
            source.err_fatal_nonfatal_source_identification()
        ),
        (0x1900, 0x1c01)
    );
}

#[test]
fn aer_of_another_port_is_not_read_beyond_its_log() {
    let (mut space, list) = one(0x0001, &[0; 13]);
    let mut aer = Aer::find(&list, &mut space).unwrap();
    for port in [PortType::Endpoint, PortType::SwitchDownstreamPort, PortType::Other(3)] {
        assert_eq!(aer.root_command(port), Ok(None));
        assert_eq!(aer.root_status(port), Ok(None));
        assert_eq!(aer.error_source(port), Ok(None));
    }
    assert!(space.reads.is_empty());
}

#[test]
fn aer_of_an_absent_function_is_an_error() {
    let (mut space, list) = one(0x0001, &[u32::MAX; 13]);
    let mut aer = Aer::find(&list, &mut space).unwrap();
    assert_eq!(aer.uncorrectable_status(), all_ones(0x104));
    assert_eq!(aer.correctable_status(), all_ones(0x110));
    assert_eq!(aer.capabilities_control(), all_ones(0x118));
    assert_eq!(aer.root_status(PortType::RootPort), all_ones(0x130));
}

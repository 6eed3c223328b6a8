//! Configuration space: headers, both lists, every decoder.

use core::hint::black_box;

use reseat_core::capability::acs::Acs;
use reseat_core::capability::advanced_features::AdvancedFeatures;
use reseat_core::capability::aer::Aer;
use reseat_core::capability::ari::Ari;
use reseat_core::capability::cxl_flex_bus::CxlFlexBusPort;
use reseat_core::capability::designated_vendor_specific::CxlPort;
use reseat_core::capability::dpc::Dpc;
use reseat_core::capability::express::{DeviceControl, Express, PayloadSize, PortType};
use reseat_core::capability::extended_space::ExtendedSpace;
use reseat_core::capability::list::{ExtendedList, StandardList};
use reseat_core::capability::power_budgeting::PowerBudgeting;
use reseat_core::capability::power_management::{PowerManagement, PowerManagementControlStatus, PowerState};
use reseat_core::capability::resizable_bar::ResizableBars;
use reseat_core::capability::secondary_express::SecondaryExpress;
use reseat_core::capability::serial_number::DeviceSerialNumber;
use reseat_core::capability::sr_iov::SrIov;
use reseat_core::capability::vendor_specific::VendorSpecific;
use reseat_core::header::{CapabilityPointer, ClassCode, Header, HeaderType, Identity, LayoutCode};
use reseat_core::health::LinkReading;
use reseat_core::presence::{Admission, Presence, RrsVisibility};
use reseat_core::vendor::{controller_mark, device_mark};
use reseat_core::witness::{BarMark, Mark, Proof, ResetKind, Traces};

use crate::{Unknown, keep};

pub(crate) fn configuration_space() {
    setters();
    let mut bus = Unknown;
    let rrs = black_box(RrsVisibility::Enabled);
    keep(Presence::read(&mut bus, rrs));
    if let Ok(readiness) = Admission::on_root_bus().function(&mut bus, rrs) {
        let identity = Identity::from_register(black_box(0));
        let admission = Admission::on_root_bus();
        keep(admission.virtual_function(readiness, identity, &mut bus));
    }
    let Ok(header) = black_box(Header::read(&mut bus)) else {
        return;
    };
    let pointer = header.capability_pointer().unwrap_or(CapabilityPointer::None);
    let standard: StandardList<_> = StandardList::read(&mut bus, pointer);
    black_box(&standard);
    if let Ok(space) = ExtendedSpace::detect(&standard, &mut bus) {
        let extended: ExtendedList<_, 64> = ExtendedList::read(&mut bus, space);
        extended_capabilities(&mut bus, &extended);
        marks(&mut bus, &extended);
    }
    if let Some(mut power) = PowerManagement::find(&standard, &mut bus) {
        keep((power.capabilities(), power.control_status()));
    }
    if let Some(mut features) = AdvancedFeatures::find(&standard, &mut bus) {
        keep((features.capabilities().offers_flr(), features.control_status()));
    }
    if let Some(mut express) = Express::find(&standard, &mut bus) {
        keep((express.capabilities(), express.device_capabilities(), express.device()));
        keep((express.link_capabilities(), express.link()));
        keep(LinkReading::read(&mut express));
        keep(Admission::on_root_bus().link(&mut express));
        keep((express.slot_capabilities(), express.slot(), express.root()));
        keep((
            express.root_status(),
            express.device_capabilities_2(),
            express.device_control_2(),
        ));
        keep((express.link_capabilities_2(), express.link_2()));
        keep(
            express
                .link_capabilities_2()
                .ok()
                .flatten()
                .and_then(|link| link.supported_link_speeds_vector().max()),
        );
    }
}

fn extended_capabilities(bus: &mut Unknown, list: &ExtendedList<u8, 64>) {
    let port = black_box(PortType::RootPort);
    if let Some(mut aer) = Aer::find(list, &mut *bus) {
        keep((
            aer.uncorrectable_status(),
            aer.uncorrectable_mask(),
            aer.uncorrectable_severity(),
        ));
        keep((
            aer.correctable_status(),
            aer.correctable_mask(),
            aer.capabilities_control(),
        ));
        keep((
            aer.header_log(),
            aer.root_command(port),
            aer.root_status(port),
            aer.error_source(port),
        ));
    }
    if let Some(mut acs) = Acs::find(list, &mut *bus) {
        keep(acs.capability_control());
    }
    if let Some(mut ari) = Ari::find(list, &mut *bus) {
        keep(ari.capability_control());
    }
    if let Some(mut dpc) = Dpc::find(list, &mut *bus) {
        keep((dpc.capability_control(), dpc.status_source()));
    }
    if let Some(mut power) = PowerBudgeting::find(list, &mut *bus) {
        keep((power.data_select(), power.data_select_offset()));
    }
    if let Some(mut secondary) = SecondaryExpress::find(list, &mut *bus) {
        keep((secondary.link_control_3(), secondary.lane_error_status()));
    }
    if let Some(mut serial_number) = DeviceSerialNumber::find(list, &mut *bus) {
        keep(serial_number.number());
    }
    if let Some(mut sr_iov) = SrIov::find(list, &mut *bus) {
        keep((
            sr_iov.capabilities(),
            sr_iov.control_status(),
            sr_iov.limits(),
            sr_iov.number(),
        ));
        keep((
            sr_iov.routing(),
            sr_iov.device_id(),
            sr_iov.supported_page_sizes(),
            sr_iov.system_page_size(),
        ));
    }
    if let Some(mut bars) = ResizableBars::find(list, &mut *bus) {
        keep(bars.number());
        let bar = bars.bar(black_box(0)).ok().flatten();
        keep(bar.map(|bar| (bar.control.bar_size().bytes(), bar.sizes().iter().last())));
    }
    if let Some(mut vendor_specific) = VendorSpecific::find(list, &mut *bus) {
        keep(vendor_specific.header().map(|header| vendor_specific.length(header)));
    }
    if let Ok(Some(mut port)) = CxlPort::find(list, &mut *bus) {
        keep(port.control());
    }
    if let Ok(Some(mut port)) = CxlFlexBusPort::find(list, &mut *bus) {
        keep(port.status().map(|status| status.carries_cxl()));
    }
    for capability in list.capabilities() {
        keep(capability.id().name());
    }
}

/// Places every mark, and takes what became of them together.
fn marks(bus: &mut Unknown, list: &ExtendedList<u8, 64>) {
    let mut traces = Traces::NONE;
    for mark in Mark::ALL {
        let Some(offset) = mark.offset(Some(list), &mut *bus) else {
            continue;
        };
        keep(mark.shows(black_box(ResetKind::InPlace)));
        if let Ok(Some(mut placed)) = mark.prepare(offset, bus) {
            keep(placed.place(bus));
            if let Ok(trace) = placed.read(bus) {
                let trace = mark.after(black_box(ResetKind::Unspecified), trace);
                traces = traces.with(trace, black_box(Proof::Configuration));
            }
            keep(placed.take_back(bus));
        }
    }
    let identity = Identity::from_register(black_box(0x2489_10de));
    let class = ClassCode {
        base_class: black_box(3),
        sub_class: black_box(0),
        interface: black_box(0),
    };
    let row = device_mark(identity, class, black_box(Some(0x1740_00a1)));
    if let Some(mark) = row.and_then(|row| BarMark::new(row, black_box(0))) {
        keep(mark.value());
        traces = traces.with(mark.trace(black_box(0)), Proof::Device);
    }
    let usb = ClassCode {
        base_class: black_box(0x0c),
        sub_class: black_box(3),
        interface: black_box(0x30),
    };
    let row = controller_mark(identity, usb);
    let prepared = row.map(|row| row.prepare(|register| black_box(Ok::<u32, ()>(register.offset))));
    if let Some(Ok(Some(mark))) = prepared {
        keep(mark.value());
    }
    keep(traces.proof());
}

/// What a writer would put together: no value of a field may panic.
fn setters() {
    let layout = LayoutCode::Other(black_box(0xff));
    keep(HeaderType::from_bits(black_box(0)).with_layout(layout));
    let size = PayloadSize::Other(black_box(0xff));
    keep(DeviceControl::from_bits(black_box(0)).with_max_payload_size(size));
    keep(PowerManagementControlStatus::from_bits(black_box(0)).with_power_state(black_box(PowerState::D0)));
}

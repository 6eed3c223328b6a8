//! One function: its header, both capability lists, and every capability that there is a decoder for.

use std::path::Path;

use reseat_core::address::FunctionAddress;
use reseat_core::capability::express::Express;
use reseat_core::capability::extended_space::{ExtendedSpace, NoExtendedSpace};
use reseat_core::capability::list::{ExtendedList, List, ListEnd, StandardList};
use reseat_core::capability::{Capability, CapabilityId};
use reseat_core::config::{ConfigRead, ReadableSize, RegisterError};
use reseat_core::header::{
    BarKind, Bars, BusNumbers, CapabilityPointer, ClassCode, Common, Header, Identity, InterruptPin, Layout, LayoutCode,
};
use serde::{Serialize, Serializer};

use super::fault;
use super::hex::DumpedFunction;
use super::hex::space::{DumpedSpace, NotDumped};
use super::problem::{DecodeFault, DecodeProblem, FunctionFault};
use super::register::{Registers, content};
use super::value::kebab;
use super::{extended, standard};

/// A function.
#[derive(Clone, Debug, Serialize)]
pub struct DecodedFunction {
    /// The file that has it; `-` is standard input.
    pub file: String,
    /// Its address, or without one the file and the number of the function in it.
    pub name: String,
    /// The number of its first line, from 1; 1 in a binary file.
    pub line: usize,
    /// The address in its title, or in the path of a binary file.
    pub address: Option<FunctionAddress>,
    /// The line that names it.
    pub title: Option<String>,
    /// The number of bytes that the dump gives.
    #[serde(rename = "dumped_bytes")]
    pub bytes: usize,
    /// The size of the part of configuration space that they reach into: 64, 256 or 4096.
    #[serde(rename = "readable_bytes")]
    pub readable_size: u16,
    /// True if every byte is ff: the function does not answer.
    pub all_ones: bool,
    /// The header; `None` where the bytes are none.
    pub header: Option<HeaderFields>,
    /// The standard capabilities; `None` without a header, or of a header whose layout is unknown.
    pub standard: Option<Capabilities>,
    /// The extended capabilities.
    pub extended: Option<Capabilities>,
    /// The reason for which there are none.
    #[serde(serialize_with = "fault::no_extended_space")]
    pub no_extended_space: Option<NoExtendedSpace<NotDumped>>,
}

/// A header.
#[derive(Clone, Debug, Serialize)]
pub struct HeaderFields {
    /// Its layout: `type 0`, `type 1`, `CardBus` or `unknown N`.
    #[serde(serialize_with = "in_kebab_case")]
    pub layout: String,
    /// The device may have more functions.
    pub multi_function: bool,
    /// Vendor and device.
    pub identity: Identity,
    /// The class code.
    pub class: ClassCode,
    /// Revision ID.
    pub revision: u8,
    /// Subsystem vendor and subsystem, where the layout has them.
    pub subsystem: Option<Identity>,
    /// `A` to `D`; `None` where no interrupt is used.
    #[serde(serialize_with = "in_kebab_case_if_any")]
    pub interrupt_pin: Option<String>,
    /// Primary, secondary and subordinate bus, of a bridge.
    pub buses: Option<BusNumbers>,
    /// The BARs that hold something.
    pub bars: Vec<BarFields>,
    /// The pointer to the list of capabilities.
    pub pointer: Option<PointerFields>,
    /// Command, Status and Bridge Control.
    pub registers: Registers,
}

/// A BAR.
#[derive(Clone, Debug, Serialize)]
pub struct BarFields {
    /// The number of its first register.
    pub index: u8,
    /// `memory32`, `memory64`, `io`, `all-ones` or `reserved`.
    pub kind: &'static str,
    /// The address, or what else it holds, as a hexadecimal number.
    pub value: String,
    /// Of memory: whether reading has no side effect.
    pub prefetchable: Option<bool>,
}

/// The header's pointer to the standard capabilities.
#[derive(Clone, Debug, Serialize)]
pub struct PointerFields {
    /// Status says that there is a list. Without it the pointer is not followed.
    pub listed: bool,
    /// The offset of the pointer.
    pub at: u16,
    /// Its target.
    pub target: u16,
    /// Its lowest two bits, which ought to be 0.
    pub reserved_bits: u16,
}

/// A list of capabilities.
#[derive(Clone, Debug, Serialize)]
pub struct Capabilities {
    /// The capabilities, in the order of the links.
    pub capabilities: Vec<CapabilityFields>,
    /// The end of the list.
    #[serde(serialize_with = "fault::end")]
    pub end: ListEnd<NotDumped>,
}

/// A capability.
#[derive(Clone, Debug, Serialize)]
pub struct CapabilityFields {
    /// Its offset.
    pub offset: u16,
    /// Its ID as a hexadecimal number.
    pub id: String,
    /// Its version, of an extended capability.
    pub version: Option<u8>,
    /// Its name, if it has one.
    pub name: Option<&'static str>,
    /// Its bound: the most bytes that it can have.
    #[serde(rename = "bound_bytes")]
    pub bound: u16,
    /// The lowest two bits of the pointer that led to it, which ought to be 0.
    pub reserved_bits: u16,
    /// Its first 32 bits as a hexadecimal number.
    pub raw: String,
    /// Its registers, if there is a decoder for it.
    pub registers: Registers,
}

fn in_kebab_case<S: Serializer>(name: &str, serializer: S) -> Result<S::Ok, S::Error> {
    kebab(name).serialize(serializer)
}

fn in_kebab_case_if_any<S: Serializer>(name: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    name.as_deref().map(kebab).serialize(serializer)
}

impl DecodedFunction {
    pub(super) fn decode(dumped: DumpedFunction, file: &Path, name: String) -> (Self, Option<DecodeProblem>) {
        let DumpedFunction {
            line,
            title,
            address,
            mut space,
        } = dumped;
        let mut function = Self {
            file: file.to_string_lossy().into_owned(),
            name,
            line,
            address,
            title,
            bytes: space.length(),
            all_ones: space.is_all_ones(),
            readable_size: space.size().bytes(),
            header: None,
            standard: None,
            extended: None,
            no_extended_space: None,
        };
        let fault = match Header::read(&mut space) {
            Ok(header) => {
                function.lists(&header, &mut space);
                function.header = Some(HeaderFields::of(&header));
                is_header_only(&header, &space).then_some(FunctionFault::HeaderOnly)
            }
            Err(_) if function.all_ones => Some(FunctionFault::NoAnswer { bytes: function.bytes }),
            // Named below.
            Err(RegisterError::Failed { .. }) => None,
            Err(error) => Some(FunctionFault::Header(error)),
        };
        let fault = fault.or_else(|| space.lacked().then(|| FunctionFault::Missing(space.missing())));
        let problem = fault.map(|fault| DecodeProblem {
            line,
            fault: DecodeFault::Function {
                name: function.name.clone(),
                address,
                fault,
            },
        });
        (function, problem)
    }

    fn lists(&mut self, header: &Header, space: &mut DumpedSpace) {
        let Some(pointer) = header.capability_pointer() else {
            return;
        };
        let standard: StandardList<NotDumped> = StandardList::read(&mut *space, pointer);
        self.standard = Some(Capabilities::of(&standard, space, |capability, space| {
            CapabilityFields {
                version: None,
                name: capability.id().name(),
                registers: standard::registers(&standard, capability, space),
                ..CapabilityFields::located(&standard, capability, space, capability.id().to_string())
            }
        }));
        let proof = match ExtendedSpace::detect(&standard, &mut *space) {
            Ok(proof) => proof,
            Err(error) => {
                self.no_extended_space = Some(error);
                return;
            }
        };
        let port = Express::find(&standard, &mut *space).map(|express| express.capabilities().device_port_type());
        let extended: ExtendedList<NotDumped> = ExtendedList::read(&mut *space, proof);
        self.extended = Some(Capabilities::of(&extended, space, |capability, space| {
            CapabilityFields {
                version: Some(capability.version()),
                name: capability.id().name(),
                registers: extended::registers(&extended, capability, port, space),
                ..CapabilityFields::located(&extended, capability, space, capability.id().to_string())
            }
        }));
    }
}

/// True if the dump ends with the header, and the header leads to capabilities behind it.
fn is_header_only(header: &Header, space: &DumpedSpace) -> bool {
    let end = ReadableSize::Header.bytes();
    let leads_on = |pointer| matches!(pointer, CapabilityPointer::Listed { pointer, .. } if pointer.target() >= end);
    space.length() == usize::from(end) && header.capability_pointer().is_some_and(leads_on)
}

impl HeaderFields {
    fn of(header: &Header) -> Self {
        let common = &header.common;
        let mut fields = Self::common(common);
        fields.pointer = header.capability_pointer().and_then(PointerFields::of);
        match &header.layout {
            Layout::Type0(layout) => {
                fields.bars = bars(&layout.bars);
                fields.subsystem = Some(layout.subsystem);
                fields.interrupt_pin = pin(layout.interrupt_pin);
            }
            Layout::Type1(layout) => {
                fields.bars = bars(&layout.bars);
                fields.buses = Some(layout.buses);
                fields.interrupt_pin = pin(layout.interrupt_pin);
                let control = layout.bridge_control;
                fields.registers.add(
                    "bridge_control",
                    content!(control;
                        parity_error_response, serr, isa, vga, vga_16_bit, master_abort, secondary_bus_reset,
                        fast_back_to_back, primary_discard_timer, secondary_discard_timer, discard_timer_status,
                        discard_timer_serr,
                    ),
                );
            }
            Layout::CardBus(layout) => {
                fields.bars = bars(&layout.bars);
                fields.buses = Some(layout.buses);
                fields.subsystem = layout.subsystem;
                fields.interrupt_pin = pin(layout.interrupt_pin);
            }
            Layout::Unknown => {}
        }
        fields
    }

    fn common(common: &Common) -> Self {
        let (command, status) = (common.command, common.status);
        let mut registers = Registers::default();
        registers.add(
            "command",
            content!(command; io_space, memory_space, bus_master, parity_error_response, serr, interrupt_disable),
        );
        registers.add(
            "status",
            content!(status;
                immediate_readiness, interrupt, capabilities_list, master_data_parity_error, signaled_target_abort,
                received_target_abort, received_master_abort, signaled_system_error, detected_parity_error,
            ),
        );
        Self {
            layout: match common.header_type.layout() {
                LayoutCode::Type0 => "type 0".to_owned(),
                LayoutCode::Type1 => "type 1".to_owned(),
                LayoutCode::CardBus => "CardBus".to_owned(),
                LayoutCode::Other(code) => format!("unknown {code}"),
            },
            multi_function: common.header_type.multi_function(),
            identity: common.identity,
            class: common.class,
            revision: common.revision,
            subsystem: None,
            interrupt_pin: None,
            buses: None,
            bars: Vec::new(),
            pointer: None,
            registers,
        }
    }
}

fn pin(pin: InterruptPin) -> Option<String> {
    match pin {
        InterruptPin::None => None,
        InterruptPin::Other(code) => Some(format!("reserved {code}")),
        pin => Some(format!("{pin:?}")),
    }
}

fn bars(bars: &Bars) -> Vec<BarFields> {
    let fields = |bar: reseat_core::header::Bar| {
        let (kind, value, prefetchable) = match bar.kind {
            BarKind::Zero => return None,
            BarKind::AllOnes => ("all-ones", "ffffffff".to_owned(), None),
            BarKind::Memory32 { address, prefetchable } => ("memory32", format!("{address:08x}"), Some(prefetchable)),
            BarKind::Memory64 { address, prefetchable } => ("memory64", format!("{address:016x}"), Some(prefetchable)),
            BarKind::Io { address } => ("io", format!("{address:08x}"), None),
            BarKind::Reserved(raw) => ("reserved", format!("{raw:08x}"), None),
        };
        Some(BarFields {
            index: bar.index,
            kind,
            value,
            prefetchable,
        })
    };
    bars.iter().filter_map(fields).collect()
}

impl PointerFields {
    fn of(pointer: CapabilityPointer) -> Option<Self> {
        let (listed, at, pointer) = match pointer {
            CapabilityPointer::Listed { at, pointer } => (true, at, pointer),
            CapabilityPointer::Unlisted { at, pointer } => (false, at, pointer),
            CapabilityPointer::None => return None,
        };
        Some(Self {
            listed,
            at: at.get(),
            target: pointer.target(),
            reserved_bits: pointer.reserved(),
        })
    }
}

impl Capabilities {
    fn of<I: CapabilityId, const N: usize>(
        list: &List<I, NotDumped, N>,
        space: &mut DumpedSpace,
        mut fields: impl FnMut(&Capability<I>, &mut DumpedSpace) -> CapabilityFields,
    ) -> Self {
        let capabilities = list.capabilities().iter();
        Self {
            capabilities: capabilities.map(|capability| fields(capability, space)).collect(),
            end: *list.end(),
        }
    }
}

impl CapabilityFields {
    /// Its place; the rest is the list's own.
    fn located<I: CapabilityId, const N: usize>(
        list: &List<I, NotDumped, N>,
        capability: &Capability<I>,
        space: &mut DumpedSpace,
        id: String,
    ) -> Self {
        Self {
            offset: capability.offset().get(),
            id,
            version: None,
            name: None,
            bound: list.view(capability, space).length(),
            reserved_bits: capability.link().reserved(),
            raw: format!("{:08x}", capability.header()),
            registers: Registers::default(),
        }
    }
}

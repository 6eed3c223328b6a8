//! A register as text: its raw value and its fields, by name.

use std::fmt::Display;

use reseat_core::capability::dpc::{DpcReason, DpcReasonExtension, DpcTrigger};
use reseat_core::capability::express::{
    AspmStates, Indicator, LinkSpeed, LinkSpeeds, PayloadSize, PortType, PowerControllerControl,
};
use reseat_core::capability::power_management::PowerState;
use reseat_core::capability::resizable_bar::BarSize;
use reseat_core::presence::RrsVisibility;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// The registers of a header or a capability, in the order of the specification.
#[derive(Clone, Debug, Default)]
pub struct Registers {
    registers: Vec<Register>,
}

/// A register, or why there is no value of it.
#[derive(Clone, Debug)]
pub struct Register {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub content: Result<Content, String>,
}

/// What a register holds.
#[derive(Clone, Debug, Serialize)]
pub struct Content {
    /// The bits as a hexadecimal number in the register's width.
    pub raw: String,
    /// The fields, lowest bits first.
    #[serde(serialize_with = "fields_as_map")]
    pub fields: Vec<Field>,
}

/// A field of a register.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: Value,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A bit.
    Flag(bool),
    /// A number.
    Number(u64),
    /// A code, by its name, or an ID.
    Text(String),
    /// A set.
    Set(Vec<String>),
}

/// The raw value of a register of reseat-core and those of its fields that are named.
macro_rules! content {
    ($register:expr; $($field:ident),* $(,)?) => {{
        let register = $register;
        let bits = register.into_bits();
        $crate::decode::register::Content {
            raw: format!("{bits:0width$x}", width = 2 * size_of_val(&bits)),
            fields: vec![$($crate::decode::register::Field {
                name: stringify!($field),
                value: register.$field().into(),
            }),*],
        }
    }};
}
pub(super) use content;

/// The same for a register that is one number or none of reseat-core's types.
pub(super) fn single(name: &'static str, raw: String, value: impl Into<Value>) -> Content {
    let value = value.into();
    Content {
        raw,
        fields: vec![Field { name, value }],
    }
}

impl Registers {
    /// The registers.
    pub fn iter(&self) -> impl Iterator<Item = &Register> {
        self.registers.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.registers.is_empty()
    }

    /// Adds a register that is known.
    pub(super) fn add(&mut self, name: impl Into<String>, content: Content) {
        let (name, content) = (name.into(), Ok(content));
        self.registers.push(Register { name, content });
    }

    /// Adds a register, or why there is no value of it.
    pub(super) fn read<T, E: Display>(
        &mut self,
        name: impl Into<String>,
        result: Result<T, E>,
        content: impl FnOnce(T) -> Content,
    ) {
        let content = result.map(content).map_err(|error| error.to_string());
        let name = name.into();
        self.registers.push(Register { name, content });
    }

    /// As [`read`](Self::read), of a register that not every function has.
    pub(super) fn read_if_there<T, E: Display>(
        &mut self,
        name: impl Into<String>,
        result: Result<Option<T>, E>,
        content: impl FnOnce(T) -> Content,
    ) {
        if let Some(result) = result.transpose() {
            self.read(name, result, content);
        }
    }

    /// As [`read`](Self::read), of two registers that are read at once.
    pub(super) fn read_pair<T, U, E: Display>(
        &mut self,
        names: [&'static str; 2],
        result: Result<(T, U), E>,
        first: impl FnOnce(T) -> Content,
        second: impl FnOnce(U) -> Content,
    ) {
        let [first_name, second_name] = names;
        match result {
            Ok((one, other)) => {
                self.add(first_name, first(one));
                self.add(second_name, second(other));
            }
            Err(error) => {
                self.read::<T, _>(first_name, Err(&error), first);
                self.read::<U, _>(second_name, Err(&error), second);
            }
        }
    }

    /// As [`read_pair`](Self::read_pair), of registers that not every function has.
    pub(super) fn read_pair_if_there<T, U, E: Display>(
        &mut self,
        names: [&'static str; 2],
        result: Result<Option<(T, U)>, E>,
        first: impl FnOnce(T) -> Content,
        second: impl FnOnce(U) -> Content,
    ) {
        if let Some(result) = result.transpose() {
            self.read_pair(names, result, first, second);
        }
    }
}

impl Serialize for Registers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.registers.len()))?;
        for Register { name, content } in &self.registers {
            match content {
                Ok(content) => map.serialize_entry(name, content)?,
                Err(error) => map.serialize_entry(name, &Unreadable { error })?,
            }
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Unreadable<'a> {
    error: &'a str,
}

fn fields_as_map<S: Serializer>(fields: &[Field], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(fields.iter().map(|field| (field.name, &field.value)))
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

macro_rules! number {
    ($($type:ty),*) => {
        $(impl From<$type> for Value {
            fn from(number: $type) -> Self {
                Self::Number(number.into())
            }
        })*
    };
}
number!(u8, u16, u32, u64);

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<PowerState> for Value {
    fn from(state: PowerState) -> Self {
        format!("{state:?}").into()
    }
}

impl From<PayloadSize> for Value {
    fn from(size: PayloadSize) -> Self {
        match (size.bytes(), size) {
            (Some(bytes), _) => bytes.into(),
            (None, PayloadSize::Other(code)) => reserved(code),
            (None, _) => Self::Text(format!("{size:?}")),
        }
    }
}

impl From<LinkSpeed> for Value {
    fn from(speed: LinkSpeed) -> Self {
        match speed {
            LinkSpeed::Other(code) => reserved(code),
            speed => speed.to_string().into(),
        }
    }
}

impl From<LinkSpeeds> for Value {
    fn from(speeds: LinkSpeeds) -> Self {
        Self::Set(speeds.iter().map(|speed| speed.to_string()).collect())
    }
}

impl From<AspmStates> for Value {
    fn from(states: AspmStates) -> Self {
        let states: &[&str] = match states {
            AspmStates::None => &[],
            AspmStates::L0s => &["L0s"],
            AspmStates::L1 => &["L1"],
            AspmStates::Both => &["L0s", "L1"],
        };
        Self::Set(states.iter().map(|&state| state.to_owned()).collect())
    }
}

impl From<PortType> for Value {
    fn from(port: PortType) -> Self {
        match port {
            PortType::Endpoint => "endpoint".into(),
            PortType::LegacyEndpoint => "legacy endpoint".into(),
            PortType::RootPort => "root port".into(),
            PortType::SwitchUpstreamPort => "switch upstream port".into(),
            PortType::SwitchDownstreamPort => "switch downstream port".into(),
            PortType::ExpressToPciBridge => "PCI Express to PCI bridge".into(),
            PortType::PciToExpressBridge => "PCI to PCI Express bridge".into(),
            PortType::RootComplexIntegratedEndpoint => "root complex integrated endpoint".into(),
            PortType::RootComplexEventCollector => "root complex event collector".into(),
            PortType::Other(code) => reserved(code),
        }
    }
}

impl From<Indicator> for Value {
    fn from(indicator: Indicator) -> Self {
        match indicator {
            Indicator::Reserved => reserved(0),
            Indicator::On => "on".into(),
            Indicator::Blink => "blink".into(),
            Indicator::Off => "off".into(),
        }
    }
}

impl From<PowerControllerControl> for Value {
    fn from(power: PowerControllerControl) -> Self {
        match power {
            PowerControllerControl::On => "on".into(),
            PowerControllerControl::Off => "off".into(),
        }
    }
}

impl From<RrsVisibility> for Value {
    fn from(visibility: RrsVisibility) -> Self {
        Self::Flag(visibility == RrsVisibility::Enabled)
    }
}

impl From<BarSize> for Value {
    fn from(size: BarSize) -> Self {
        bar_size(size).map_or_else(|| reserved(size.code()), Self::Text)
    }
}

impl From<DpcTrigger> for Value {
    fn from(trigger: DpcTrigger) -> Self {
        match trigger {
            DpcTrigger::Disabled => "disabled".into(),
            DpcTrigger::Fatal => "fatal".into(),
            DpcTrigger::NonFatalOrFatal => "non-fatal or fatal".into(),
            DpcTrigger::Other(code) => reserved(code),
        }
    }
}

impl From<DpcReason> for Value {
    fn from(reason: DpcReason) -> Self {
        match reason {
            DpcReason::UncorrectableError => "uncorrectable error".into(),
            DpcReason::NonFatalMessage => "non-fatal message".into(),
            DpcReason::FatalMessage => "fatal message".into(),
            DpcReason::Extension => "extension".into(),
        }
    }
}

impl From<DpcReasonExtension> for Value {
    fn from(extension: DpcReasonExtension) -> Self {
        match extension {
            DpcReasonExtension::RpPioError => "RP PIO error".into(),
            DpcReasonExtension::SoftwareTrigger => "software trigger".into(),
            DpcReasonExtension::Other(code) => reserved(code),
        }
    }
}

/// A code without a meaning.
fn reserved(code: u8) -> Value {
    Value::Text(format!("reserved {code}"))
}

/// The size of a BAR: `256 MB`; `None` of a reserved code.
pub(super) fn bar_size(size: BarSize) -> Option<String> {
    const UNITS: [&str; 5] = ["MB", "GB", "TB", "PB", "EB"];
    let mut number = size.bytes()? >> 20;
    let mut units = UNITS.into_iter();
    let mut unit = units.next()?;
    while number >= 1024 {
        number >>= 10;
        unit = units.next()?;
    }
    Some(format!("{number} {unit}"))
}

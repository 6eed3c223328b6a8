//! Values of fields.
//!
//! For people a code is its name in the specification, and a quantity has its unit beside it; in JSON a code is in kebab case,
//! and a quantity a number whose unit stands in the key.

use reseat_core::capability::dpc::{DpcReason, DpcReasonExtension, DpcTrigger};
use reseat_core::capability::express::{
    AspmStates, CrosslinkResolution, DownstreamComponentPresence, Indicator, LinkSpeed, LinkSpeeds, PayloadSize,
    PortType, PowerControllerControl,
};
use reseat_core::capability::power_management::PowerState;
use reseat_core::capability::resizable_bar::BarSize;
use reseat_core::presence::RrsVisibility;
use serde::{Serialize, Serializer};

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A bit.
    Flag(bool),
    /// A number.
    Number(u64),
    /// Numbers.
    Numbers(Vec<u64>),
    /// An ID, or bits without a name.
    Text(String),
    /// A code, by its name.
    Code(String),
    /// A set of codes, by their names.
    Codes(Vec<String>),
    /// A size in bytes.
    Size(u64),
    /// A set of sizes in bytes.
    Sizes(Vec<u64>),
    /// A code that stands for no size.
    ReservedSize(u8),
    /// A link speed.
    Speed(LinkSpeed),
    /// A set of link speeds.
    Speeds(Vec<LinkSpeed>),
}

impl Value {
    /// The end of the key in JSON: an underscore and the unit, if there is one.
    pub(super) fn unit(&self) -> &'static str {
        match self {
            Self::Size(_) | Self::Sizes(_) | Self::ReservedSize(_) => "_bytes",
            Self::Speed(_) | Self::Speeds(_) => "_gt_s",
            Self::Flag(_) | Self::Number(_) | Self::Numbers(_) | Self::Text(_) | Self::Code(_) | Self::Codes(_) => "",
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Flag(flag) => flag.serialize(serializer),
            Self::Number(number) | Self::Size(number) => number.serialize(serializer),
            Self::Numbers(numbers) | Self::Sizes(numbers) => numbers.serialize(serializer),
            Self::Text(text) => text.serialize(serializer),
            Self::Code(code) => kebab(code).serialize(serializer),
            Self::Codes(codes) => serializer.collect_seq(codes.iter().map(|code| kebab(code))),
            Self::ReservedSize(code) => reserved_code(*code).serialize(serializer),
            Self::Speed(speed) => gigatransfers(*speed).serialize(serializer),
            Self::Speeds(speeds) => serializer.collect_seq(speeds.iter().map(|speed| gigatransfers(*speed))),
        }
    }
}

/// Gigatransfers a second, or the code of no known speed.
#[derive(Serialize)]
#[serde(untagged)]
enum Gigatransfers {
    Whole(u8),
    Fraction(f32),
    Reserved(String),
}

fn gigatransfers(speed: LinkSpeed) -> Gigatransfers {
    match speed {
        LinkSpeed::Gt2_5 => Gigatransfers::Fraction(2.5),
        LinkSpeed::Gt5 => Gigatransfers::Whole(5),
        LinkSpeed::Gt8 => Gigatransfers::Whole(8),
        LinkSpeed::Gt16 => Gigatransfers::Whole(16),
        LinkSpeed::Gt32 => Gigatransfers::Whole(32),
        LinkSpeed::Gt64 => Gigatransfers::Whole(64),
        LinkSpeed::Other(code) => Gigatransfers::Reserved(reserved_code(code)),
    }
}

/// A name of the specification in kebab case.
pub(super) fn kebab(name: &str) -> String {
    name.to_lowercase().replace(' ', "-")
}

fn reserved_code(code: u8) -> String {
    format!("reserved-{code}")
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
        Self::Code(format!("{state:?}"))
    }
}

impl From<PayloadSize> for Value {
    fn from(size: PayloadSize) -> Self {
        match (size.bytes(), size) {
            (Some(bytes), _) => Self::Size(bytes.into()),
            (None, PayloadSize::Other(code)) => Self::ReservedSize(code),
            (None, _) => Self::Code(format!("{size:?}")),
        }
    }
}

impl From<LinkSpeed> for Value {
    fn from(speed: LinkSpeed) -> Self {
        Self::Speed(speed)
    }
}

impl From<LinkSpeeds> for Value {
    fn from(speeds: LinkSpeeds) -> Self {
        Self::Speeds(speeds.iter().collect())
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
        Self::Codes(states.iter().map(|&state| state.to_owned()).collect())
    }
}

impl From<PortType> for Value {
    fn from(port: PortType) -> Self {
        match port {
            PortType::Endpoint => code("endpoint"),
            PortType::LegacyEndpoint => code("legacy endpoint"),
            PortType::RootPort => code("root port"),
            PortType::SwitchUpstreamPort => code("switch upstream port"),
            PortType::SwitchDownstreamPort => code("switch downstream port"),
            PortType::ExpressToPciBridge => code("PCI Express to PCI bridge"),
            PortType::PciToExpressBridge => code("PCI to PCI Express bridge"),
            PortType::RootComplexIntegratedEndpoint => code("root complex integrated endpoint"),
            PortType::RootComplexEventCollector => code("root complex event collector"),
            PortType::Other(code) => reserved(code),
        }
    }
}

impl From<Indicator> for Value {
    fn from(indicator: Indicator) -> Self {
        match indicator {
            Indicator::Reserved => reserved(0),
            Indicator::On => code("on"),
            Indicator::Blink => code("blink"),
            Indicator::Off => code("off"),
        }
    }
}

impl From<PowerControllerControl> for Value {
    fn from(power: PowerControllerControl) -> Self {
        match power {
            PowerControllerControl::On => code("on"),
            PowerControllerControl::Off => code("off"),
        }
    }
}

impl From<CrosslinkResolution> for Value {
    fn from(resolution: CrosslinkResolution) -> Self {
        code(match resolution {
            CrosslinkResolution::NotSupported => "not-supported",
            CrosslinkResolution::UpstreamPort => "upstream-port",
            CrosslinkResolution::DownstreamPort => "downstream-port",
            CrosslinkResolution::NotCompleted => "not-completed",
        })
    }
}

impl From<DownstreamComponentPresence> for Value {
    fn from(presence: DownstreamComponentPresence) -> Self {
        match presence {
            DownstreamComponentPresence::LinkDownPresenceNotDetermined => code("link-down-presence-not-determined"),
            DownstreamComponentPresence::LinkDownNotPresent => code("link-down-not-present"),
            DownstreamComponentPresence::LinkDownPresent => code("link-down-present"),
            DownstreamComponentPresence::LinkUpPresent => code("link-up-present"),
            DownstreamComponentPresence::LinkUpPresentDrsReceived => code("link-up-present-drs-received"),
            DownstreamComponentPresence::Other(number) => reserved(number),
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
        size.bytes().map_or_else(|| Self::ReservedSize(size.code()), Self::Size)
    }
}

impl From<DpcTrigger> for Value {
    fn from(trigger: DpcTrigger) -> Self {
        match trigger {
            DpcTrigger::Disabled => code("disabled"),
            DpcTrigger::Fatal => code("fatal"),
            DpcTrigger::NonFatalOrFatal => code("non-fatal or fatal"),
            DpcTrigger::Other(code) => reserved(code),
        }
    }
}

impl From<DpcReason> for Value {
    fn from(reason: DpcReason) -> Self {
        match reason {
            DpcReason::UncorrectableError => code("uncorrectable error"),
            DpcReason::NonFatalMessage => code("non-fatal message"),
            DpcReason::FatalMessage => code("fatal message"),
            DpcReason::Extension => code("extension"),
        }
    }
}

impl From<DpcReasonExtension> for Value {
    fn from(extension: DpcReasonExtension) -> Self {
        match extension {
            DpcReasonExtension::RpPioError => code("RP PIO error"),
            DpcReasonExtension::SoftwareTrigger => code("software trigger"),
            DpcReasonExtension::Other(code) => reserved(code),
        }
    }
}

/// A code without a meaning.
fn reserved(code: u8) -> Value {
    Value::Code(format!("reserved {code}"))
}

fn code(name: &str) -> Value {
    Value::Code(name.to_owned())
}

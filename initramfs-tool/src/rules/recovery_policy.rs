//! The recovery policy in the rules file:
//!
//! ```toml
//! [recover]
//! highest = "detach-sbr"          # or any other rung, by its name or its short form
//! prefer = "flr"                  # or sbr
//! contract = "without-reboot"     # or reboot-acceptable
//! link-timeout = "5 s"            # for a link to become active after a reset
//! ready-timeout = "5 s"           # for the functions to be ready once it is
//! power-off-time = "1 s"          # how long a slot's power stays off
//! settle-time = "500 ms"          # between the first verdict after a reset and the second
//! unproven = "accept"             # or refuse: a GPU that is well, and whose reset nothing proves
//!
//! [[recover.gpu]]
//! select = "0000:65:00.0@10de:2331"   # or a serial number
//! fabric = "none"                     # or a list of the GPUs that it is joined to
//! ```

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::SignedDuration;
use reseat_core::decision::{Preference, Rung};
use reseat_core::recovery::Waits;
use serde::de::{Error, IgnoredAny};
use serde::{Deserialize, Deserializer};

use super::file::read;
use super::{RulesFileError, Selector, Term};

/// The recovery policy. An unset value is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contract {
    /// The highest allowed rung.
    pub highest: Option<Rung>,
    /// The preferred reset.
    pub preference: Option<Preference>,
    /// The policy on rebooting the machine for a GPU.
    pub reboot: Option<Reboot>,
    /// The policy on GPUs that are well but whose reset is not proven.
    pub unproven: Unproven,
    /// The waits of a recovery. Unset values are the defaults.
    pub waits: Waits,
    /// The fabrics of single GPUs, which a machine cannot show.
    pub fabrics: Vec<FabricStatement>,
}

/// An operator's statement about the fabric of one GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FabricStatement {
    /// The GPU, by its serial number or by its address and vendor:device ID.
    pub gpu: Selector,
    /// The GPUs that it is joined to, named in the same way; if the list is empty, it is joined to none.
    pub peers: Vec<Selector>,
}

impl FabricStatement {
    /// True if it names a GPU by its serial number.
    pub fn names_a_serial(&self) -> bool {
        let mut selectors = self.peers.iter().chain([&self.gpu]);
        selectors.any(|selector| selector.terms().iter().any(|term| matches!(term, Term::Serial(_))))
    }
}

impl fmt::Display for FabricStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.gpu)?;
        match self.peers.split_first() {
            None => f.write_str("none"),
            Some((first, rest)) => {
                write!(f, "{first}")?;
                rest.iter().try_for_each(|peer| write!(f, ", {peer}"))
            }
        }
    }
}

/// The policy on rebooting a machine for a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reboot {
    /// No reboot: a GPU that no reset recovers stays out of service.
    WithoutReboot,
    /// A reboot is acceptable, once the machine is drained.
    RebootAcceptable,
}

/// The policy on a GPU that is well after an unproven reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unproven {
    /// It is not recovered, and does not return to service.
    #[default]
    Refuse,
    /// It counts as recovered.
    Accept,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default, rename = "claim")]
    _claim: Option<IgnoredAny>,
    #[serde(default)]
    recover: Table,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Table {
    highest: Option<RungName>,
    prefer: Option<PreferenceName>,
    contract: Option<Reboot>,
    link_timeout: Option<Time<1, 60>>,
    ready_timeout: Option<Time<1, 600>>,
    power_off_time: Option<Time<1, 60>>,
    settle_time: Option<Time<0, 60>>,
    #[serde(default)]
    unproven: Unproven,
    #[serde(default)]
    gpu: Vec<GpuTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GpuTable {
    select: OneGpu,
    fabric: Peers,
}

/// A selector that names one GPU even after cards are moved: by serial number, or by address and vendor:device ID.
struct OneGpu(Selector);

impl<'de> Deserialize<'de> for OneGpu {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let selector: Selector = text
            .parse()
            .map_err(|error| D::Error::custom(format!("`{text}`: {error}")))?;
        match names_one_gpu(&selector) {
            true => Ok(Self(selector)),
            false => Err(D::Error::custom(format!(
                "`{text}` does not name one GPU for good: expected a serial number (serial=48-b0-2d-00-00-00-00-01) or an \
                 address with its vendor:device ID (0000:65:00.0@10de:2331)"
            ))),
        }
    }
}

fn names_one_gpu(selector: &Selector) -> bool {
    let mut has = (false, false, false);
    for term in selector.terms() {
        match term {
            Term::Serial(_) => has.0 = true,
            Term::Address(_) | Term::Device(_) => has.1 = true,
            Term::Identity(_) => has.2 = true,
            Term::Path(_) | Term::Slot(_) | Term::Subsystem(_) | Term::Gpu => return false,
        }
    }
    has.0 || (has.1 && has.2)
}

/// `"none"`, or a list of GPUs.
struct Peers(Vec<Selector>);

impl<'de> Deserialize<'de> for Peers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Value {
            Word(String),
            List(Vec<String>),
        }
        let expected = "expected \"none\" or a list of the GPUs that it is joined to";
        let list = match Value::deserialize(deserializer).map_err(|_| D::Error::custom(expected))? {
            Value::Word(word) if word == "none" => return Ok(Self(Vec::new())),
            Value::Word(word) => return Err(D::Error::custom(format!("`{word}`: {expected}"))),
            Value::List(list) if list.is_empty() => return Err(D::Error::custom(format!("an empty list: {expected}"))),
            Value::List(list) => list,
        };
        let peers = list.into_iter().map(|text| {
            let one = OneGpu::deserialize(serde::de::value::StringDeserializer::<D::Error>::new(text));
            one.map(|OneGpu(selector)| selector)
        });
        Ok(Self(peers.collect::<Result<_, _>>()?))
    }
}

/// A time with its unit, `"10 s"`, between these numbers of seconds.
struct Time<const LEAST: u64, const MOST: u64>(Duration);

impl<'de, const LEAST: u64, const MOST: u64> Deserialize<'de> for Time<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time: SignedDuration = text
            .parse()
            .map_err(|_| D::Error::custom(format!("`{text}` is no time with a unit, such as \"10 s\"")))?;
        let allowed: RangeInclusive<Duration> = Duration::from_secs(LEAST)..=Duration::from_secs(MOST);
        match Duration::try_from(time) {
            Ok(time) if allowed.contains(&time) => Ok(Self(time)),
            _ => Err(D::Error::custom(format!(
                "`{text}` is not between {LEAST} s and {MOST} s"
            ))),
        }
    }
}

/// A rung by its name or short name.
struct RungName(Rung);

impl<'de> Deserialize<'de> for RungName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let known = || Rung::ALL.map(|rung| format!("`{}`", rung.name())).join(", ");
        let unknown = |_| D::Error::custom(format!("unknown rung `{text}`, expected one of {}", known()));
        text.parse().map(Self).map_err(unknown)
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PreferenceName {
    Flr,
    Sbr,
}

impl From<GpuTable> for FabricStatement {
    fn from(table: GpuTable) -> Self {
        let (OneGpu(gpu), Peers(peers)) = (table.select, table.fabric);
        Self { gpu, peers }
    }
}

/// Parses the policy in `content`; `path` only names the file in errors. Claim rules are ignored.
///
/// # Errors
/// When the content is not TOML, or has an unknown key or value.
pub fn parse(path: &str, content: &[u8]) -> Result<Contract, RulesFileError> {
    let Document { recover, .. } = read(path, content)?;
    let waits = Waits::default();
    Ok(Contract {
        highest: recover.highest.map(|RungName(rung)| rung),
        preference: recover.prefer.map(|preference| match preference {
            PreferenceName::Flr => Preference::Flr,
            PreferenceName::Sbr => Preference::Sbr,
        }),
        reboot: recover.contract,
        unproven: recover.unproven,
        waits: Waits {
            link: recover.link_timeout.map_or(waits.link, |Time(time)| time),
            ready: recover.ready_timeout.map_or(waits.ready, |Time(time)| time),
            power_off: recover.power_off_time.map_or(waits.power_off, |Time(time)| time),
            settle: recover.settle_time.map_or(waits.settle, |Time(time)| time),
        },
        fabrics: recover.gpu.into_iter().map(FabricStatement::from).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contract_is_read_beside_rules_of_any_kind() {
        let text = b"[[claim]]\nselect = \"gpu\"\nfuture = 1\n[recover]\nhighest = \"detach-sbr\"\nprefer = \"flr\"\ncontract = \"reboot-acceptable\"\n";
        let contract = parse("r.toml", text).unwrap();
        assert_eq!(contract.highest, Some(Rung::DetachSbr));
        assert_eq!(contract.preference, Some(Preference::Flr));
        assert_eq!(contract.reboot, Some(Reboot::RebootAcceptable));
    }

    #[test]
    fn what_is_not_said_is_none() {
        assert_eq!(
            parse("r.toml", b"[[claim]]\nselect = \"gpu\"\n"),
            Ok(Contract::default())
        );
    }

    #[test]
    fn waits_have_their_units_and_the_rest_is_as_ever() {
        let text = b"[recover]\nready-timeout = \"1 min 30 s\"\npower-off-time = \"2500ms\"\n";
        let waits = parse("r.toml", text).unwrap().waits;
        assert_eq!(waits.ready, Duration::from_secs(90));
        assert_eq!(waits.power_off, Duration::from_millis(2500));
        assert_eq!(waits.link, Waits::default().link);
    }

    #[test]
    fn a_wait_without_a_unit_or_sense_is_named_with_its_line() {
        for (value, part) in [
            ("10", "invalid type: integer `10`, expected a string"),
            ("\"10\"", "`10` is no time with a unit, such as \"10 s\""),
            ("\"soon\"", "`soon` is no time with a unit"),
            ("\"0 s\"", "`0 s` is not between 1 s and 600 s"),
            ("\"-5 s\"", "`-5 s` is not between 1 s and 600 s"),
            ("\"1 h\"", "`1 h` is not between 1 s and 600 s"),
        ] {
            let text = format!("[recover]\nready-timeout = {value}\n");
            let error = parse("r.toml", text.as_bytes()).unwrap_err();
            assert_eq!(error.line, 2, "{error}");
            assert!(error.message.contains(part), "{error}");
        }
    }

    #[test]
    fn the_fabric_of_a_gpu_is_none_or_its_peers() {
        let text = b"[[recover.gpu]]\nselect = \"0000:65:00.0@10de:2331\"\nfabric = \"none\"\n\
            [[recover.gpu]]\nselect = \"serial=48-b0-2d-00-00-00-00-01\"\nfabric = [\"0000:66:00@10de:2330\"]\n";
        let fabrics = parse("r.toml", text).unwrap().fabrics;
        let texts: Vec<String> = fabrics.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "0000:65:00.0@10de:2331: none",
                "serial=48-b0-2d-00-00-00-00-01: 0000:66:00@10de:2330"
            ]
        );
    }

    #[test]
    fn a_statement_about_a_fabric_names_one_gpu_for_good() {
        for (select, fabric, line, part) in [
            ("0000:65:00.0", "\"none\"", 2, "does not name one GPU for good"),
            ("10de:2331", "\"none\"", 2, "does not name one GPU for good"),
            ("gpu", "\"none\"", 2, "does not name one GPU for good"),
            ("slot=3@10de:2331", "\"none\"", 2, "does not name one GPU for good"),
            ("serial=48-b0-2d-00-00-00-00-01", "\"no\"", 3, "`no`: expected \"none\""),
            ("serial=48-b0-2d-00-00-00-00-01", "[]", 3, "an empty list"),
            ("serial=48-b0-2d-00-00-00-00-01", "3", 3, "expected \"none\""),
            (
                "serial=48-b0-2d-00-00-00-00-01",
                "[\"10de:2331\"]",
                3,
                "does not name one GPU for good",
            ),
        ] {
            let text = format!("[[recover.gpu]]\nselect = \"{select}\"\nfabric = {fabric}\n");
            let error = parse("r.toml", text.as_bytes()).unwrap_err();
            assert_eq!(error.line, line, "{error}");
            assert!(error.message.contains(part), "{error}");
        }
    }

    #[test]
    fn a_misspelt_word_is_named_with_its_line() {
        for (text, word) in [
            ("[recover]\nhighest = \"sbr\"\n", "sbr"),
            ("[recover]\nhihgest = \"flr\"\n", "hihgest"),
            ("# a comment\n[recovery]\n", "recovery"),
        ] {
            let error = parse("r.toml", text.as_bytes()).unwrap_err();
            assert_eq!(error.line, 2, "{error}");
            assert!(error.message.contains(word), "{error}");
        }
    }

    #[test]
    fn a_misspelt_word_has_the_nearest_one_beside_it() {
        for (text, nearest) in [
            ("[recover]\nhihgest = \"flr\"", Some("`highest`")),
            ("[recover]\nready_timeout = \"5 s\"", Some("`ready-timeout`")),
            ("[recover]\nhighest = \"detach-srb\"", Some("`detach-sbr`")),
            ("[recover]\nprefer = \"FLR\"", Some("`flr`")),
            ("[recover]\ncontract = \"without-rebot\"", Some("`without-reboot`")),
            ("# a comment\n[recovery]", Some("`recover`")),
            ("[recover]\nhighest = \"sbr\"", None),
            ("[recover]\nhighest = \"\"", None),
            ("[recover]\nready-timeout = \"10\"", None),
        ] {
            let error = parse("r.toml", text.as_bytes()).unwrap_err();
            assert_eq!(error.line, 2, "{error}");
            match nearest {
                Some(nearest) => assert!(
                    error.message.ends_with(&format!("(did you mean {nearest}?)")),
                    "{error}"
                ),
                None => assert!(!error.message.contains("did you mean"), "{error}"),
            }
        }
    }
}

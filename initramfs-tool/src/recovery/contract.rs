//! What the operator allows a recovery, from `[recover]` in `/etc/reseat/reseat.toml`:
//!
//! ```toml
//! [recover]
//! highest = "detach-sbr"           # pm, flr, detach-sbr, slot-power
//! prefer = "flr"                   # flr, sbr
//! contract = "reboot-acceptable"   # without-reboot, reboot-acceptable
//! ```

use std::fmt;

use reseat_core::decision::{Preference, Rung};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::rules::{RulesFileError, parse_document};

/// What is allowed, and what is left when nothing has helped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The highest rung allowed.
    pub highest: Rung,
    /// What is preferred where the rule leaves a choice.
    pub preference: Preference,
    /// Whether the machine may be rebooted for a GPU.
    pub contract: Contract,
}

/// Whether a machine may be rebooted for the sake of one GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contract {
    /// It may not.
    #[default]
    WithoutReboot,
    /// It may, once it is drained.
    RebootAcceptable,
}

/// What the contract leaves to be done when no rung has helped.
impl fmt::Display for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WithoutReboot => {
                "leave the GPU in quarantine until the machine's next power cycle \
                 (contract in reseat.toml: without-reboot)"
            }
            Self::RebootAcceptable => {
                "drain the machine and reboot it; what a reboot does not bring back needs a power cycle \
                 (contract in reseat.toml: reboot-acceptable)"
            }
        })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            highest: Rung::SlotPower,
            preference: Preference::Rule,
            contract: Contract::default(),
        }
    }
}

impl Settings {
    /// Reads them in `content`; `path` only names the file in errors. Without the table they are the usual ones.
    ///
    /// # Errors
    /// When the content is no TOML, or holds a key or a value that is none. What stands in a rule is the claim's affair.
    pub fn parse(path: &str, content: &[u8]) -> Result<Self, RulesFileError> {
        let Document { recover, .. } = parse_document(path, content)?;
        let usual = Self::default();
        Ok(Self {
            highest: recover.highest.map_or(usual.highest, Rung::from),
            preference: recover.prefer.map_or(usual.preference, Preference::from),
            contract: recover.contract,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default, rename = "claim")]
    _claim: IgnoredAny,
    #[serde(default)]
    recover: Table,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    highest: Option<Highest>,
    prefer: Option<Prefer>,
    #[serde(default)]
    contract: Contract,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Highest {
    Pm,
    Flr,
    DetachSbr,
    SlotPower,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Prefer {
    Flr,
    Sbr,
}

impl From<Highest> for Rung {
    fn from(highest: Highest) -> Self {
        match highest {
            Highest::Pm => Self::KernelPm,
            Highest::Flr => Self::KernelFlr,
            Highest::DetachSbr => Self::DetachSbr,
            Highest::SlotPower => Self::SlotPower,
        }
    }
}

impl From<Prefer> for Preference {
    fn from(prefer: Prefer) -> Self {
        match prefer {
            Prefer::Flr => Self::Flr,
            Prefer::Sbr => Self::Sbr,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::parse_file;

    fn parse(text: &str) -> Result<Settings, RulesFileError> {
        Settings::parse("r.toml", text.as_bytes())
    }

    #[test]
    fn without_the_table_everything_is_as_usual() {
        for text in ["", "[recover]\n", "[[claim]]\nselect = \"gpu\"\n"] {
            assert_eq!(parse(text), Ok(Settings::default()), "{text}");
        }
        assert_eq!(Settings::default().contract, Contract::WithoutReboot);
    }

    #[test]
    fn each_key_is_taken_by_itself() {
        let usual = Settings::default();
        let text = "[recover]\nhighest = \"detach-sbr\"\n";
        let highest = Rung::DetachSbr;
        assert_eq!(parse(text), Ok(Settings { highest, ..usual }));
        let text = "[recover]\nprefer = \"sbr\"\n";
        let preference = Preference::Sbr;
        assert_eq!(parse(text), Ok(Settings { preference, ..usual }));
        let text = "[recover]\ncontract = \"reboot-acceptable\"\n";
        let contract = Contract::RebootAcceptable;
        assert_eq!(parse(text), Ok(Settings { contract, ..usual }));
    }

    #[test]
    fn an_error_names_file_line_and_what_is_wrong() {
        for (text, line, named) in [
            ("[recover]\nhigest = \"flr\"\n", 2, "higest"),
            ("[recover]\nhighest = \"warm\"\n", 2, "slot-power"),
            ("[recover]\n\ncontract = true\n", 3, "string"),
            ("[recovery]\nhighest = \"flr\"\n", 1, "recovery"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.path.as_str(), error.line), ("r.toml", line), "{text}: {error}");
            assert!(error.message.contains(named), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_rule_stops_no_recovery_and_the_other_way_round() {
        let text = "[[claim]]\nselekt = 1\n[recover]\nhighest = \"flr\"\n";
        assert_eq!(parse(text).unwrap().highest, Rung::KernelFlr);
        let rules = parse_file(
            "r.toml",
            b"[recover]\nfrom = \"tomorrow\"\n[[claim]]\nselect = \"gpu\"\n",
        );
        assert_eq!(rules.unwrap().len(), 1);
    }
}

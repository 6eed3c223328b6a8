//! The contract of recovery in the rules file:
//!
//! ```toml
//! [recover]
//! highest = "detach-sbr"          # pm, flr, detach-sbr, slot-power or bmc
//! prefer = "flr"                  # or sbr
//! contract = "without-reboot"     # or reboot-acceptable
//! ```

use reseat_core::decision::{Preference, Rung};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::RulesFileError;
use super::file::read;

/// What an operator has agreed to beforehand. What is not said is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contract {
    /// The highest rung allowed.
    pub highest: Option<Rung>,
    /// The reset that is preferred.
    pub preference: Option<Preference>,
    /// Whether the machine may be rebooted for a GPU.
    pub reboot: Option<Reboot>,
}

/// Whether a machine may be rebooted for the sake of a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reboot {
    /// It may not: what no reset brings back stays out of service.
    WithoutReboot,
    /// It may, once it is drained.
    RebootAcceptable,
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
#[serde(deny_unknown_fields)]
struct Table {
    highest: Option<RungName>,
    prefer: Option<PreferenceName>,
    contract: Option<Reboot>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RungName {
    Pm,
    Flr,
    DetachSbr,
    SlotPower,
    Bmc,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PreferenceName {
    Flr,
    Sbr,
}

/// Reads the contract in `content`; `path` only names the file in errors. Rules for claiming are not looked at.
///
/// # Errors
/// When the content is no TOML, or says something that no contract has.
pub fn parse(path: &str, content: &[u8]) -> Result<Contract, RulesFileError> {
    let Document { recover, .. } = read(path, content, |_| "")?;
    Ok(Contract {
        highest: recover.highest.map(|rung| match rung {
            RungName::Pm => Rung::KernelPm,
            RungName::Flr => Rung::KernelFlr,
            RungName::DetachSbr => Rung::DetachSbr,
            RungName::SlotPower => Rung::SlotPower,
            RungName::Bmc => Rung::Bmc,
        }),
        preference: recover.prefer.map(|preference| match preference {
            PreferenceName::Flr => Preference::Flr,
            PreferenceName::Sbr => Preference::Sbr,
        }),
        reboot: recover.contract,
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
}

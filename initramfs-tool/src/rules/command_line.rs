//! The kernel command line: `reseat=off` or `rd.reseat=0`, `reseat.dry-run`, `reseat.claim=SELECTOR[,SELECTOR…]`,
//! `reseat.not=SELECTOR[,SELECTOR…]`, `reseat.force-display`.

use super::spelling::nearest;
use super::{Choice, Display, Rule, Source};
use crate::model::finding::{Finding, Subject, SubjectKind, id};

/// The reseat parameters on the kernel command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// The switch: claim, dry run or off.
    pub switch: Switch,
    /// The requested claims, in order.
    pub rules: Vec<Rule>,
    /// The exceptions for every rule.
    pub not: Vec<Choice>,
    /// The treatment of the only display, for every rule.
    pub display: Display,
    /// Unknown parameters with reseat's prefix: a misspelt one must not pass silently.
    pub unknown: Vec<String>,
}

/// The extent of a claim. If several are given, the safest one counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Switch {
    /// Claim the GPUs.
    #[default]
    On,
    /// Print the claims and touch nothing: `reseat.dry-run`, or an unknown reseat parameter that is not a claim.
    DryRun,
    /// Do nothing: `reseat=off`, or `rd.reseat=0` in dracut's style.
    Off,
}

impl CommandLine {
    /// Parses the text of `/proc/cmdline`.
    pub fn parse(text: &str) -> Self {
        let mut line = Self::default();
        for parameter in parameters(text) {
            line.take(&parameter);
        }
        line
    }

    /// Joins the rules of a file with these, and applies the parameters for every rule.
    pub fn join(&self, mut rules: Vec<Rule>) -> Vec<Rule> {
        rules.extend(self.rules.iter().cloned());
        for rule in &mut rules {
            rule.not.extend(self.not.iter().cloned());
            if self.display == Display::Force {
                rule.display = Display::Force;
            }
        }
        rules
    }

    /// The unknown parameters, with their effect.
    pub fn findings(&self) -> Vec<Finding> {
        let unknown = self.unknown.iter().map(|parameter| {
            let id = match Self::parse(parameter).switch {
                Switch::On => id::PARAMETER_UNKNOWN_NO_CLAIM,
                Switch::DryRun | Switch::Off => id::PARAMETER_UNKNOWN_DRY_RUN,
            };
            let finding = Finding::warning(id, Subject::named(SubjectKind::Parameter, parameter.as_str()));
            match nearest_parameter(parameter) {
                Some(nearest) => finding.with("nearest", nearest),
                None => finding,
            }
        });
        unknown.collect()
    }

    fn take(&mut self, parameter: &str) {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (parameter, None),
        };
        // The kernel treats `-` and `_` in a parameter's name as equal.
        let name = name.replace('_', "-");
        match (name.as_str(), value) {
            ("reseat.claim", Some(selectors)) => {
                let selectors = selectors.split(',');
                self.rules
                    .extend(selectors.map(|text| Rule::new(Source::CommandLine, text)));
                return;
            }
            // One without a value is also meant as an exception: it becomes an error in every rule.
            ("reseat.not", selectors) => {
                let selectors = selectors.unwrap_or_default().split(',');
                self.not
                    .extend(selectors.map(|text| Choice::new(Source::CommandLine, text)));
                return;
            }
            ("reseat.force-display", None | Some("on" | "1" | "yes" | "true")) => {
                self.display = Display::Force;
                return;
            }
            _ => {}
        }
        let meant = value.map(str::to_ascii_lowercase);
        // A switch is meant to reduce what happens: an unknown one counts as the safer one, and is reported.
        let (switch, understood) = match (name.as_str(), meant.as_deref()) {
            ("reseat" | "rd.reseat", Some("on" | "1" | "yes" | "true")) => (Switch::On, true),
            ("reseat" | "rd.reseat", value) => (Switch::Off, matches!(value, Some("off" | "0" | "no" | "false"))),
            ("reseat.dry-run" | "reseat.force-display", Some("off" | "0" | "no" | "false")) => (Switch::On, true),
            ("reseat.dry-run" | "reseat.dryrun", value) => {
                let understood = matches!(value, None | Some("on" | "1" | "yes" | "true"));
                (Switch::DryRun, understood && name == "reseat.dry-run")
            }
            (name, _) => match addressed_to_us(name) {
                None => (Switch::On, true),
                // A possibly misspelt claim claims nothing; anything else may have been meant to prevent a claim.
                Some(rest) if rest.starts_with('c') => (Switch::On, false),
                Some(_) => (Switch::DryRun, false),
            },
        };
        self.switch = self.switch.max(switch);
        if !understood {
            self.unknown.push(parameter.to_owned());
        }
    }
}

/// Returns the known parameter that is nearest to a misspelt one.
fn nearest_parameter(parameter: &str) -> Option<&'static str> {
    const KNOWN: [&str; 6] = [
        "reseat",
        "rd.reseat",
        "reseat.claim",
        "reseat.not",
        "reseat.dry-run",
        "reseat.force-display",
    ];
    let name = parameter.split('=').next().unwrap_or_default();
    nearest(name, &KNOWN).filter(|nearest| *nearest != name)
}

/// Returns the rest after `reseat` in the name of a parameter meant for it, in any spelling; `None` for other
/// parameters.
fn addressed_to_us(name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    let name = ["rd.", "rd-", "no"]
        .iter()
        .find_map(|before| name.strip_prefix(before))
        .unwrap_or(&name);
    let rest = name.strip_prefix("reseat")?;
    match rest.chars().next() {
        Some(letter) if letter.is_alphanumeric() => None,
        _ => Some(
            rest.trim_start_matches(|letter: char| !letter.is_alphanumeric())
                .to_owned(),
        ),
    }
}

/// Splits at white space outside double quotes, as the kernel does. A lone `--`, after which the rest belongs to init,
/// does not end the list: reseat parameters are meant for reseat, and an operator adds `reseat=off` at the end.
fn parameters(text: &str) -> impl Iterator<Item = String> {
    let mut quoted = false;
    text.split(move |letter: char| {
        if letter == '"' {
            quoted = !quoted;
        }
        letter.is_ascii_whitespace() && !quoted
    })
    .filter(|parameter| !parameter.is_empty())
    .map(|parameter| parameter.replace('"', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &CommandLine) -> Vec<&str> {
        line.rules.iter().map(|rule| rule.choice.text.as_str()).collect()
    }

    #[test]
    fn other_parameters_are_none_of_our_business() {
        let line = CommandLine::parse("BOOT_IMAGE=/vmlinuz root=/dev/vda ro quiet reseating=1 reseatx.claim=gpu\n");
        assert_eq!(line, CommandLine::default());
    }

    #[test]
    fn claims_come_in_order_and_may_repeat() {
        let line = CommandLine::parse("reseat.claim=0000:65:00.0@10de:2231,10de:2231 quiet reseat.claim=gpu");
        assert_eq!(texts(&line), ["0000:65:00.0@10de:2231", "10de:2231", "gpu"]);
        assert!(line.rules.iter().all(|rule| rule.choice.selector.is_ok()));
    }

    #[test]
    fn a_bad_selector_keeps_its_place_and_its_error() {
        let line = CommandLine::parse("reseat.claim=gpu,,bogus");
        assert_eq!(texts(&line), ["gpu", "", "bogus"]);
        let good: Vec<bool> = line.rules.iter().map(|rule| rule.choice.selector.is_ok()).collect();
        assert_eq!(good, [true, false, false]);
    }

    #[test]
    fn what_no_rule_is_to_claim_is_said_of_all_of_them() {
        let line = CommandLine::parse("reseat.claim=gpu reseat.not=slot=3,bogus reseat.not");
        let rules = line.join(vec![Rule::new(Source::CommandLine, "10de:2231")]);
        assert_eq!(rules.len(), 2);
        for rule in rules {
            let not: Vec<(&str, bool)> = rule
                .not
                .iter()
                .map(|not| (not.text.as_str(), not.selector.is_ok()))
                .collect();
            assert_eq!(not, [("slot=3", true), ("bogus", false), ("", false)]);
        }
    }

    #[test]
    fn the_only_display_is_given_only_to_who_says_so_clearly() {
        for (text, expected) in [
            ("reseat.force-display", Display::Force),
            ("reseat.force_display=1", Display::Force),
            ("reseat.force-display=please", Display::Keep),
            ("reseat.force-display=off", Display::Keep),
            ("reseat.claim=gpu", Display::Keep),
        ] {
            let rules = CommandLine::parse(text).join(vec![Rule::new(Source::CommandLine, "gpu")]);
            assert!(rules.iter().all(|rule| rule.display == expected), "{text}");
        }
        assert_eq!(CommandLine::parse("reseat.force-display=please").unknown.len(), 1);
        assert_eq!(
            CommandLine::parse("reseat.force-display=off").unknown,
            Vec::<String>::new()
        );
    }

    #[test]
    fn off_wins_over_everything() {
        for text in [
            "reseat=off reseat.dry-run",
            "reseat.dry-run reseat=off",
            "reseat=off reseat=on",
            "rd.reseat=0",
            "reseat=on rd.reseat=0",
            "rd.reseat=1 reseat=off",
        ] {
            assert_eq!(CommandLine::parse(text).switch, Switch::Off, "{text}");
        }
        assert_eq!(CommandLine::parse("reseat.dry-run").switch, Switch::DryRun);
        assert_eq!(CommandLine::parse("reseat.dry_run=1").switch, Switch::DryRun);
        assert_eq!(CommandLine::parse("reseat=on").switch, Switch::On);
        assert_eq!(CommandLine::parse("rd.reseat=1").switch, Switch::On);
    }

    /// The services that systemd starts on the real root obey the same switches.
    #[test]
    fn units_know_every_word_that_switches_off() {
        for unit in [
            include_str!("../../systemd/reseat-baseline.service"),
            include_str!("../../systemd/reseat-keep-flr-out.service"),
            include_str!("../../systemd/reseat-quarantine.service"),
        ] {
            for name in ["reseat", "rd.reseat"] {
                for value in ["off", "0", "no", "false"] {
                    let switch = format!("{name}={value}");
                    assert_eq!(CommandLine::parse(&switch).switch, Switch::Off, "{switch}");
                    let condition = format!("ConditionKernelCommandLine=!{switch}");
                    assert!(unit.lines().any(|line| line == condition), "{condition}:\n{unit}");
                }
            }
        }
    }

    #[test]
    fn a_misspelt_parameter_is_kept_for_the_report() {
        let line = CommandLine::parse("reseat.clam=gpu reseat.claim rd.reseat.claim=gpu");
        assert_eq!(line.unknown, ["reseat.clam=gpu", "reseat.claim", "rd.reseat.claim=gpu"]);
        assert_eq!(line.switch, Switch::On);
    }

    #[cfg(feature = "operator")]
    #[test]
    fn a_misspelt_parameter_has_the_nearest_one_beside_it() {
        for (text, nearest) in [
            ("reseat.clam=gpu", Some("reseat.claim")),
            ("reseat.force-displya", Some("reseat.force-display")),
            ("RESEAT.CLAIM=gpu", Some("reseat.claim")),
            ("reseat.dry-rn", Some("reseat.dry-run")),
            ("reseat.claim", None),
            ("reseat=1,off", None),
            ("reseat.debug", None),
        ] {
            let finding = CommandLine::parse(text).findings().remove(0);
            assert_eq!(finding.evidence.get("nearest"), nearest, "{text}");
        }
    }

    #[test]
    fn a_switch_in_another_spelling_is_still_a_switch() {
        for text in [
            "reseat=OFF",
            "reseat=false",
            "reseat=n",
            "reseat=of",
            "reseat",
            "rd.reseat",
            "rd.reseat=no",
            "-- reseat=off",
            "reseat=off,",
        ] {
            assert_eq!(CommandLine::parse(text).switch, Switch::Off, "{text}");
        }
        for text in [
            "reseat.dry-run=true",
            "reseat.dry-run=Y",
            "reseat.dryrun",
            "reseat.dry-run=please",
        ] {
            assert_eq!(CommandLine::parse(text).switch, Switch::DryRun, "{text}");
        }
        assert_eq!(CommandLine::parse("reseat=of").unknown, ["reseat=of"]);
        assert_eq!(CommandLine::parse("reseat=False").unknown, Vec::<String>::new());
    }

    #[test]
    fn a_switch_that_nobody_knows_lets_nothing_be_touched() {
        for text in [
            "reseat.off",
            "rd.reseat.off",
            "reseat.disable=1",
            "reseat.dry",
            "reseat.dry-rum=yes",
            "reseat.dry-rnu",
            "reseat.force-dispaly",
            "reseat-off",
            "rd_reseat=0",
            "reseat:off",
            "RESEAT=off",
            "Reseat.Dry-Run",
            "reseat.",
        ] {
            let line = CommandLine::parse(&format!("reseat.claim=gpu {text}"));
            assert!(line.switch >= Switch::DryRun, "{text}");
            assert_eq!((line.rules.len(), line.unknown), (1, vec![text.to_owned()]));
        }
    }

    #[test]
    fn a_claim_that_nobody_understands_claims_nothing_and_stops_no_other() {
        for text in [
            "reseat.clam=gpu",
            "Reseat.claim=gpu",
            "reseat_claim=gpu",
            "reseat.claim",
        ] {
            let line = CommandLine::parse(&format!("reseat.claim=10de:2231 {text}"));
            assert_eq!(line.switch, Switch::On, "{text}");
            assert_eq!(
                (texts(&line), &line.unknown),
                (vec!["10de:2231"], &vec![text.to_owned()])
            );
        }
    }

    #[test]
    fn quotes_hold_a_value_together() {
        let line = CommandLine::parse("reseat.claim=\"gpu, 10de:2231\"");
        assert_eq!(texts(&line), ["gpu", "10de:2231"]);
    }
}

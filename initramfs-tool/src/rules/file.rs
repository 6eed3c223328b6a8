//! The rules file, `/etc/reseat/reseat.toml`:
//!
//! ```toml
//! [[claim]]
//! select = "slot=3@10de:2231"
//! not = ["serial=48-b0-2d-00-00-00-00-01"]   # or one, without brackets
//! functions = [0, 1]                         # of a processor's own graphics
//! group-peers = false                        # or true, or a list of selectors
//! force-display = false
//! ```

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::model::finding::{Finding, Id, Subject};
use crate::model::inventory::FunctionSet;

use super::spelling::hint;
use super::{Choice, Display, GroupPeers, Rule, Source};

/// The largest rules file, in bytes. A list of a machine's GPUs is never longer.
pub const LARGEST: usize = 64 * 1024;

/// A rules file that cannot be parsed. None of its rules applies then: half a file may lack the important half.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}:{line}: {message}")]
pub struct RulesFileError {
    /// The path of the file, as shown to the operator.
    pub path: String,
    /// The line of the error, counted from 1.
    pub line: usize,
    /// The TOML reader's message, on one line.
    pub message: String,
}

impl RulesFileError {
    /// The error as a finding of the given kind: about the rules, or about the recovery policy.
    pub fn finding(&self, id: Id) -> Finding {
        Finding::error(id, Subject::file(&self.path))
            .with("line", self.line)
            .with("cause", &self.message)
    }
}

/// Parses the rules in `content`; `path` only names the file in sources and errors. The recovery policy is ignored: a
/// mistake there does not prevent a claim.
///
/// # Errors
/// When the content is not TOML, or has an unknown key. An invalid selector is not an error here: its rule carries it.
pub fn parse(path: &str, content: &[u8]) -> Result<Vec<Rule>, RulesFileError> {
    let file = File::new(path, content)?;
    let document = DeTable::parse(file.text).map_err(|error| file.refused(&error))?;
    let mut rules = Vec::new();
    for (key, value) in document.get_ref() {
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("claim", DeValue::Array(tables)) => {
                for table in tables {
                    match table.get_ref() {
                        DeValue::Table(table_of_keys) => rules.push(file.rule(table, table_of_keys)?),
                        other => return Err(file.is_no(table, other, "a table")),
                    }
                }
            }
            ("claim", other) => return Err(file.is_no(value, other, "an array: a rule begins with `[[claim]]`")),
            ("recover", _) => {}
            (_, _) => return Err(file.unknown(key, "`claim` or `recover`")),
        }
    }
    Ok(rules)
}

/// A file being parsed. It does without serde: deriving for three keys would be a tenth of `reseat-claim`.
struct File<'a> {
    path: &'a str,
    text: &'a str,
}

impl<'a> File<'a> {
    fn new(path: &'a str, content: &'a [u8]) -> Result<Self, RulesFileError> {
        if content.len() > LARGEST {
            let message = format!("the file is larger than {} KiB", LARGEST / 1024);
            return Err(error(path, content, LARGEST, &message));
        }
        // A byte order mark, which some editors add.
        let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
        match std::str::from_utf8(content) {
            Ok(text) => Ok(Self { path, text }),
            Err(cut) => {
                let message = "the text is not UTF-8 from here on";
                Err(error(path, content, cut.valid_up_to(), message))
            }
        }
    }

    fn rule(&self, table: &Spanned<DeValue<'_>>, keys: &DeTable<'_>) -> Result<Rule, RulesFileError> {
        let mut select = None;
        let (mut not, mut named_peers) = (Vec::new(), Vec::new());
        let (mut group_peers, mut display, mut functions) = (GroupPeers::Leave, Display::Keep, None);
        for (key, value) in keys {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("select", DeValue::String(text)) => select = Some((value.span().start, text)),
                ("select", other) => return Err(self.is_no(value, other, "a string")),
                ("not", _) => not = self.choices(value, "a selector or a list of them")?,
                ("group-peers", DeValue::Boolean(true)) => group_peers = GroupPeers::Claim,
                ("group-peers", DeValue::Array(_) | DeValue::String(_)) => {
                    group_peers = GroupPeers::Claim;
                    named_peers = self.choices(value, "a boolean or a list of selectors")?;
                }
                ("force-display", DeValue::Boolean(true)) => display = Display::Force,
                ("group-peers" | "force-display", DeValue::Boolean(false)) => {}
                ("group-peers", other) => return Err(self.is_no(value, other, "a boolean or a list of selectors")),
                ("force-display", other) => return Err(self.is_no(value, other, "a boolean")),
                ("functions", _) => functions = Some(self.functions(value)?),
                (_, _) => {
                    let known = "one of `select`, `not`, `functions`, `group-peers`, `force-display`";
                    return Err(self.unknown(key, known));
                }
            }
        }
        let Some((at, text)) = select else {
            return Err(self.error(table.span().start, "missing field `select`"));
        };
        Ok(Rule {
            not,
            group_peers,
            named_peers,
            display,
            functions,
            ..Rule::new(self.source(at), text)
        })
    }

    /// Parses the numbers of a GPU's functions.
    fn functions(&self, value: &Spanned<DeValue<'_>>) -> Result<FunctionSet, RulesFileError> {
        const EXPECTED: &str = "a list of function numbers, from 0 to 7";
        let list = match value.get_ref() {
            DeValue::Array(list) if !list.is_empty() => list,
            other => return Err(self.is_no(value, other, EXPECTED)),
        };
        let mut set = FunctionSet::default();
        for one in list {
            let number = match one.get_ref() {
                DeValue::Integer(number) => number.as_str().parse().ok(),
                _ => None,
            };
            let with = number.and_then(|number| set.with(number));
            set = with.ok_or_else(|| self.is_no(one, one.get_ref(), EXPECTED))?;
        }
        Ok(set)
    }

    /// Parses a selector or a list of them.
    fn choices(&self, value: &Spanned<DeValue<'_>>, expected: &str) -> Result<Vec<Choice>, RulesFileError> {
        match value.get_ref() {
            DeValue::Array(list) => list.iter().map(|one| self.choice(one)).collect(),
            DeValue::String(_) => Ok(vec![self.choice(value)?]),
            other => Err(self.is_no(value, other, expected)),
        }
    }

    fn choice(&self, value: &Spanned<DeValue<'_>>) -> Result<Choice, RulesFileError> {
        match value.get_ref() {
            DeValue::String(text) => Ok(Choice::new(self.source(value.span().start), text)),
            other => Err(self.is_no(value, other, "a string")),
        }
    }

    fn source(&self, at: usize) -> Source {
        Source::File {
            path: self.path.to_owned(),
            line: line_of(self.text.as_bytes(), at),
        }
    }

    fn is_no(&self, value: &Spanned<DeValue<'_>>, found: &DeValue<'_>, expected: &str) -> RulesFileError {
        let message = format!("invalid type: {}, expected {expected}", found.type_str());
        self.error(value.span().start, &message)
    }

    fn unknown<K: AsRef<str>>(&self, key: &Spanned<K>, expected: &str) -> RulesFileError {
        let message = format!("unknown field `{}`, expected {expected}", key.get_ref().as_ref());
        self.error(key.span().start, &message)
    }

    /// Converts the TOML reader's error.
    fn refused(&self, error: &toml::de::Error) -> RulesFileError {
        self.error(error.span().map_or(0, |span| span.start), error.message())
    }

    fn error(&self, at: usize, message: &str) -> RulesFileError {
        let message = format!("{message}{}", hint(message));
        error(self.path, self.text.as_bytes(), at, &message)
    }
}

fn error(path: &str, content: &[u8], at: usize, message: &str) -> RulesFileError {
    RulesFileError {
        path: path.to_owned(),
        line: line_of(content, at),
        message: message.trim().replace('\n', ", "),
    }
}

/// Parses a rules file as `T`.
pub(super) fn read<T: DeserializeOwned>(path: &str, content: &[u8]) -> Result<T, RulesFileError> {
    let file = File::new(path, content)?;
    toml::from_str(file.text).map_err(|error| file.refused(&error))
}

fn line_of(content: &[u8], at: usize) -> usize {
    1 + content.iter().take(at).filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects_gpus(rule: &Rule) -> bool {
        rule.choice.selector == "gpu".parse()
    }

    #[test]
    fn rules_carry_their_line() {
        let rules = parse(
            "r.toml",
            b"# twins\n[[claim]]\nselect = \"0000:65:00.0\"\n\n[[claim]]\nselect = \"gpu\"\n",
        )
        .unwrap();
        let seen: Vec<String> = rules.iter().map(|rule| rule.choice.source.to_string()).collect();
        assert_eq!(seen, ["r.toml:3", "r.toml:6"]);
        assert!(selects_gpus(&rules[1]));
    }

    #[test]
    fn a_rule_says_what_it_leaves_out_and_what_else_it_takes() {
        let text = b"[[claim]]\nselect = \"gpu\"\nnot = \"slot=3\"\ngroup-peers = true\n\
                     [[claim]]\nselect = \"gpu\"\nnot = [\"10de:1eb8\",\n\"bay=3\"]\nforce-display = true\n";
        let rules = parse("r.toml", text).unwrap();
        let one = |not: &Choice| format!("`{}` ({})", not.text, not.source);
        let not = |rule: &Rule| rule.not.iter().map(one).collect::<Vec<_>>();
        assert_eq!(not(&rules[0]), ["`slot=3` (r.toml:3)"]);
        assert_eq!(
            (rules[0].group_peers, rules[0].display),
            (GroupPeers::Claim, Display::Keep)
        );
        assert_eq!(not(&rules[1]), ["`10de:1eb8` (r.toml:7)", "`bay=3` (r.toml:8)"]);
        assert!(rules[1].not[0].selector.is_ok() && rules[1].not[1].selector.is_err());
        assert_eq!(
            (rules[1].group_peers, rules[1].display),
            (GroupPeers::Leave, Display::Force)
        );
    }

    #[test]
    fn peers_that_are_named_are_taken_and_carry_their_line() {
        let text = b"[[claim]]\nselect = \"gpu\"\ngroup-peers = [\"0000:03:00.0\",\n\"bay=3\"]\n";
        let rule = parse("r.toml", text).unwrap().remove(0);
        assert_eq!(rule.group_peers, GroupPeers::Claim);
        let sources: Vec<String> = rule.named_peers.iter().map(|peer| peer.source.to_string()).collect();
        assert_eq!(sources, ["r.toml:3", "r.toml:4"]);
        assert!(rule.named_peers[0].selector.is_ok() && rule.choices().any(|choice| choice.selector.is_err()));
    }

    #[test]
    fn a_rule_names_the_functions_of_a_gpu_by_their_numbers() {
        let rule = |list: &str| {
            parse(
                "r.toml",
                format!("[[claim]]\nselect = \"gpu\"\nfunctions = {list}\n").as_bytes(),
            )
        };
        let functions = rule("[0, 1]").unwrap()[0].functions.unwrap();
        assert!(functions.has("0000:11:00.1".parse().unwrap()) && !functions.has("0000:11:00.2".parse().unwrap()));
        for wrong in ["[8]", "[-1]", "[]", "0", "[\"0\"]"] {
            let error = rule(wrong).unwrap_err();
            assert!(
                error.line == 3 && error.message.contains("from 0 to 7"),
                "{wrong}: {error}"
            );
        }
    }

    #[test]
    fn a_value_of_another_kind_is_named_with_its_line() {
        for (key, word) in [
            ("not = 3", "list"),
            ("not = [3]", "string"),
            ("group-peers = 3", "boolean"),
        ] {
            let error = parse("r.toml", format!("[[claim]]\nselect = \"gpu\"\n{key}\n").as_bytes()).unwrap_err();
            assert_eq!(error.line, 3, "{error}");
            assert!(error.message.contains(word), "{error}");
        }
    }

    #[test]
    fn what_it_says_of_recovery_keeps_no_gpu_from_being_claimed() {
        let rules = parse("r.toml", b"[[claim]]\nselect = \"gpu\"\n[recover]\nhighest = 7\n").unwrap();
        assert_eq!(rules.len(), 1);
    }

    #[test]
    fn an_empty_file_has_no_rules() {
        assert_eq!(parse("r.toml", b"# nothing yet\n"), Ok(Vec::new()));
    }

    #[test]
    fn a_selector_without_sense_stays_a_rule() {
        let rules = parse("r.toml", b"[[claim]]\nselect = \"the big one\"\n").unwrap();
        assert!(rules[0].choice.selector.is_err());
    }

    #[test]
    fn a_broken_file_names_file_line_and_cause() {
        let error = parse("r.toml", b"[[claim]]\nselect = gpu\n").unwrap_err();
        assert_eq!((error.path.as_str(), error.line), ("r.toml", 2));
        assert!(!error.message.is_empty() && !error.message.contains('\n'), "{error}");
    }

    #[test]
    fn an_unknown_key_is_an_error_and_named() {
        let error = parse("r.toml", b"[[claim]]\nselect = \"gpu\"\nexcept = \"10de:1eb8\"\n").unwrap_err();
        assert_eq!(error.line, 3);
        assert!(error.message.contains("except"), "{error}");
        let error = parse("r.toml", b"clam = 1\n").unwrap_err();
        assert!(error.message.contains("clam"), "{error}");
    }

    #[cfg(feature = "operator")]
    #[test]
    fn a_misspelt_key_has_the_nearest_one_beside_it() {
        for (text, nearest) in [
            ("[[claim]]\nselct = \"gpu\"\n", Some("`select`")),
            (
                "[[claim]]\nselect = \"gpu\"\nforce_display = true\n",
                Some("`force-display`"),
            ),
            ("#\nclaims = []\n", Some("`claim`")),
            ("[[claim]]\nexcept = \"gpu\"\n", None),
            ("[[claim]]\nselect = 3\n", None),
        ] {
            let error = parse("r.toml", text.as_bytes()).unwrap_err().to_string();
            match nearest {
                Some(nearest) => assert!(error.ends_with(&format!("(did you mean {nearest}?)")), "{error}"),
                None => assert!(!error.contains("did you mean"), "{error}"),
            }
        }
    }

    #[test]
    fn a_single_bracket_is_explained() {
        let error = parse("r.toml", b"[claim]\nselect = \"gpu\"\n").unwrap_err();
        assert!(error.message.contains("[[claim]]"), "{error}");
    }

    #[test]
    fn marks_and_line_ends_of_other_systems_are_fine() {
        let rules = parse("r.toml", b"\xef\xbb\xbf[[claim]]\r\nselect = \" gpu \"\r\n").unwrap();
        assert!(selects_gpus(&rules[0]));
    }

    #[test]
    fn a_mark_in_front_moves_no_line() {
        let error = parse("r.toml", b"\xef\xbb\xbf#\n\xff").unwrap_err();
        assert_eq!(error.line, 2, "{error}");
    }

    #[test]
    fn what_is_no_rules_file_by_its_size_is_refused() {
        let error = parse("r.toml", &vec![b'\n'; 65 * 1024]).unwrap_err();
        assert!(error.message.contains("64 KiB"), "{error}");
    }

    #[test]
    fn bytes_that_are_no_text_are_an_error_with_a_line() {
        let error = parse("r.toml", b"# ok\n[[claim]]\nselect = \"\xff\"\n").unwrap_err();
        assert_eq!(error.line, 3);
    }
}

//! Findings: refusals, errors, warnings and notes, as data.
//!
//! The library never builds a sentence from a finding; the programs do, in `bin/messages`. Scripts match on the `id`,
//! which stays the same from version to version; `docs/findings.md` lists them all.

pub mod id;

use std::borrow::Cow;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::{fmt, mem};

use reseat_core::address::{DeviceAddress, FunctionAddress};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A refusal, an error, a warning or a note, with the fields of [`FindingFields`].
///
/// The fields are behind a pointer: findings are rare, and part of most error types.
///
/// ```
/// use reseat::model::finding::{Finding, Subject, id};
///
/// let finding = Finding::error(id::FILE_UNREADABLE, Subject::file("/proc/cmdline")).with("cause", "permission denied");
/// assert_eq!(finding.evidence.get("cause"), Some("permission denied"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Finding(Box<FindingFields>);

/// The fields of a [`Finding`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingFields {
    /// The kind of finding.
    pub id: Id,
    /// The severity.
    pub severity: Severity,
    /// The part of the machine that it is about.
    pub subject: Subject,
    /// The facts behind it.
    pub evidence: Evidence,
    /// The remedy, if there is one.
    pub remedy: Option<Remedy>,
}

impl Finding {
    /// A finding that needs no action.
    pub fn note(id: Id, subject: Subject) -> Self {
        Self::new(id, Severity::Note, subject)
    }

    /// A finding that the operator should act on; the command continues.
    pub fn warning(id: Id, subject: Subject) -> Self {
        Self::new(id, Severity::Warning, subject)
    }

    /// A failure.
    pub fn error(id: Id, subject: Subject) -> Self {
        Self::new(id, Severity::Error, subject)
    }

    /// The reason for a refusal.
    pub fn refusal(id: Id, subject: Subject) -> Self {
        Self::new(id, Severity::Refusal, subject)
    }

    // Not inlined: findings are created in a hundred places, and `reseat-claim` has to stay small.
    #[inline(never)]
    fn new(id: Id, severity: Severity, subject: Subject) -> Self {
        Self(Box::new(FindingFields {
            id,
            severity,
            subject,
            evidence: Evidence::default(),
            remedy: None,
        }))
    }

    /// Returns the finding with another severity.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.0.severity = severity;
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.add(name, &value);
        self
    }

    #[inline(never)]
    fn add(&mut self, name: &'static str, value: &dyn fmt::Display) {
        self.0.evidence.0.push((Cow::Borrowed(name), value.to_string()));
    }

    /// Makes this finding the reason of another kind of finding, and keeps its subject, facts and remedy. The fact
    /// `why` has its id, or the id of its own reason.
    #[must_use]
    pub fn leads_to(mut self, id: Id) -> Self {
        let why = mem::replace(&mut self.0.id, id);
        match self.evidence.get("why") {
            Some(_) => self,
            None => self.with("why", why),
        }
    }

    /// Adds the remedy.
    #[must_use]
    pub fn remedy(mut self, remedy: Remedy) -> Self {
        self.0.remedy = Some(remedy);
        self
    }
}

impl Deref for Finding {
    type Target = FindingFields;

    fn deref(&self) -> &FindingFields {
        &self.0
    }
}

impl DerefMut for Finding {
    fn deref_mut(&mut self) -> &mut FindingFields {
        &mut self.0
    }
}

/// The id, the subject and the facts, for a place without sentences.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.subject.name)?;
        let mut facts = self.evidence.iter();
        facts.try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

/// The kind of a finding: a stable name in kebab case. [`id`] has all of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(Cow<'static, str>);

impl Id {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A remedy: a stable name in kebab case. The programs have the steps of each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Remedy(Cow<'static, str>);

impl Remedy {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// No action is needed.
    Note,
    /// The operator should act; the command continues.
    Warning,
    /// Something failed.
    Error,
    /// The command refuses, for this reason.
    Refusal,
}

/// The part of the machine that a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// The kind of subject.
    pub kind: SubjectKind,
    /// Its name within that kind: an address, a path, a rule. Empty for the machine.
    pub name: String,
}

/// The kinds of subjects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SubjectKind {
    /// The machine as a whole.
    Machine,
    /// A GPU, by its device number.
    Gpu,
    /// A function, by its address.
    Function,
    /// A file or a directory, by its path.
    File,
    /// A rule, as the operator wrote it.
    Rule,
    /// A kernel parameter, as on the command line.
    Parameter,
    /// A kernel module, by its name.
    Module,
    /// An installed kernel, by its version.
    Kernel,
    /// A program, by its name or path.
    Program,
    /// A process, by its number.
    Process,
}

impl Subject {
    /// The machine as a whole.
    pub const fn machine() -> Self {
        Self {
            kind: SubjectKind::Machine,
            name: String::new(),
        }
    }

    /// A GPU.
    pub fn gpu(device: DeviceAddress) -> Self {
        Self::named(SubjectKind::Gpu, device.to_string())
    }

    /// A function.
    #[inline(never)]
    pub fn function(function: FunctionAddress) -> Self {
        Self::named(SubjectKind::Function, function.to_string())
    }

    /// A file or a directory.
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self::named(SubjectKind::File, path.as_ref().display().to_string())
    }

    /// Any other subject, by its kind and name.
    pub fn named(kind: SubjectKind, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }
}

/// Facts by name, in the order in which they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Evidence(Vec<(Cow<'static, str>, String)>);

impl Evidence {
    /// The value of a fact.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut facts = self.iter();
        facts.find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// All facts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_str()))
    }
}

impl Serialize for Evidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Evidence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Facts;

        impl<'de> Visitor<'de> for Facts {
            type Value = Evidence;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("facts by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Evidence, A::Error> {
                let mut facts = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    facts.push((Cow::Owned(name), value));
                }
                Ok(Evidence(facts))
            }
        }

        deserializer.deserialize_map(Facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding() -> Finding {
        let subject = Subject::function("0000:01:00.0".parse().unwrap());
        Finding::refusal(id::FILE_UNREADABLE, subject)
            .with("file", "/sys/x")
            .with("cause", "no such file")
    }

    #[test]
    fn a_finding_is_the_same_after_json_and_after_postcard() {
        let json = serde_json::to_string(&finding()).unwrap();
        assert_eq!(
            json,
            "{\"id\":\"file-unreadable\",\"severity\":\"refusal\",\
             \"subject\":{\"kind\":\"function\",\"name\":\"0000:01:00.0\"},\
             \"evidence\":{\"file\":\"/sys/x\",\"cause\":\"no such file\"},\"remedy\":null}"
        );
        assert_eq!(serde_json::from_str::<Finding>(&json).unwrap(), finding());
        let bytes = postcard::to_allocvec(&finding()).unwrap();
        assert_eq!(postcard::from_bytes::<Finding>(&bytes).unwrap(), finding());
    }

    #[test]
    fn ids_and_remedies_are_unique_and_in_kebab_case() {
        let ids = id::ALL.iter().flat_map(|area| area.iter()).map(Id::as_str);
        let remedies = id::REMEDIES.iter().flat_map(|area| area.iter()).map(Remedy::as_str);
        for names in [ids.collect::<Vec<_>>(), remedies.collect()] {
            for (index, name) in names.iter().enumerate() {
                let is_kebab = name
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
                assert!(is_kebab && !name.starts_with('-') && !name.ends_with('-'), "{name}");
                assert!(!names[index + 1..].contains(name), "{name} stands twice");
            }
        }
    }
}

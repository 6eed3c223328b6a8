//! Sentences of findings: the only place where a finding becomes text. Both programs include this module.
//!
//! A sentence is a template: `{subject}` is the finding's subject, `{cause}` the fact of that name, and
//! `{count|virtual function}` that number with its noun, in the plural where it is not one. `{driver: on driver }` is the fact
//! behind these words, or nothing without it. `{why}` is the sentence of the finding that led to this one.

#![allow(dead_code, reason = "each of the two programs needs a part of it")]

/// Makes one text of the sentences of an area, a line for each: a table of references would have to be relocated at each start.
macro_rules! sentences {
    ($(($id:literal, $template:literal $(,)?)),* $(,)?) => { concat!($($id, "\t", $template, "\n"),*) };
}

#[cfg(feature = "operator")]
pub(crate) mod bundle;
mod claim;
#[cfg(feature = "operator")]
mod command;
mod decode;
#[cfg(feature = "operator")]
pub(crate) mod events;
mod initramfs;
mod machine;
mod recovery;
pub(crate) mod report;

use reseat::model::finding::{Finding, Subject, SubjectKind};

/// The sentence of a kind of findings, by id: lower case, no full stop.
type Sentence = (&'static str, &'static str);
/// The steps of a remedy out, by its name.
type Steps = (&'static str, &'static [&'static str]);

/// The sentences that both programs need.
const COMMON_SENTENCES: &[&str] = &[machine::SENTENCES, claim::SENTENCES];
const SENTENCES: &[&[Sentence]] = &[
    #[cfg(feature = "operator")]
    claim::OPERATOR_SENTENCES,
    #[cfg(feature = "operator")]
    command::SENTENCES,
    #[cfg(feature = "operator")]
    recovery::SENTENCES,
    #[cfg(feature = "operator")]
    initramfs::SENTENCES,
    #[cfg(feature = "operator")]
    decode::SENTENCES,
];
const STEPS: &[&[Steps]] = &[
    machine::STEPS,
    claim::STEPS,
    #[cfg(feature = "operator")]
    command::STEPS,
    #[cfg(feature = "operator")]
    recovery::STEPS,
    #[cfg(feature = "operator")]
    initramfs::STEPS,
    #[cfg(feature = "operator")]
    decode::STEPS,
];

/// The finding in words. One of another version, whose sentence is not known here, shows its id and facts.
pub(crate) fn sentence(finding: &Finding) -> String {
    match template_of(finding.id.as_str()) {
        Some(template) => fill(template, finding),
        None => {
            let facts = finding.evidence.iter().map(|(name, value)| format!(" {name}={value}"));
            format!(
                "{}: {}{}",
                subject(&finding.subject),
                finding.id,
                facts.collect::<String>()
            )
        }
    }
}

/// The steps that help, in order; none where no remedy out is known.
pub(crate) fn steps(finding: &Finding) -> Vec<String> {
    let remedy = finding.remedy.as_ref();
    let steps = remedy
        .and_then(|remedy| find(STEPS, remedy.as_str()))
        .unwrap_or_default();
    steps.iter().map(|template| fill(template, finding)).collect()
}

/// The sentence, and the steps that help behind a semicolon.
pub(crate) fn line(finding: &Finding) -> String {
    let mut parts = vec![sentence(finding)];
    parts.extend(steps(finding));
    parts.join("; ")
}

/// The finding as an object of `--json`: its fields, then `message`, its sentence, and `help`, the steps in order.
#[cfg(feature = "operator")]
pub(crate) fn json(finding: &Finding) -> serde_json::Value {
    serde_json::json!({
        "id": finding.id,
        "severity": finding.severity,
        "subject": finding.subject,
        "evidence": finding.evidence,
        "remedy": finding.remedy,
        "message": sentence(finding),
        "help": steps(finding),
    })
}

/// The name of a subject in a sentence.
pub(crate) fn subject(subject: &Subject) -> &str {
    match subject.kind {
        SubjectKind::Machine => "this machine",
        SubjectKind::Gpu
        | SubjectKind::Function
        | SubjectKind::File
        | SubjectKind::Rule
        | SubjectKind::Parameter
        | SubjectKind::Module
        | SubjectKind::Kernel
        | SubjectKind::Program
        | SubjectKind::Process => &subject.name,
    }
}

fn template_of(id: &str) -> Option<&'static str> {
    let mut lines = COMMON_SENTENCES.iter().flat_map(|area| area.lines());
    let line = lines.find_map(|line| line.split_once('\t').filter(|(known, _)| *known == id));
    line.map(|(_, template)| template).or_else(|| find(SENTENCES, id))
}

fn find<T: Copy>(tables: &[&[(&'static str, T)]], name: &str) -> Option<T> {
    let mut rows = tables.iter().flat_map(|table| table.iter());
    rows.find(|(known, _)| *known == name).map(|(_, row)| *row)
}

fn fill(template: &str, finding: &Finding) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('{') {
        let (placeholder, behind) = behind.split_once('}').unwrap_or((behind, ""));
        text.push_str(before);
        text.push_str(&value(placeholder, finding));
        rest = behind;
    }
    text.push_str(rest);
    text
}

fn value(placeholder: &str, finding: &Finding) -> String {
    if let Some((name, before)) = placeholder.split_once(':') {
        let value = finding.evidence.get(name);
        return value.map_or_else(String::new, |value| format!("{before}{value}"));
    }
    if placeholder == "why" {
        let reason = finding.evidence.get("why");
        // Only a sentence that has no reason itself: no file can make this endless.
        let template = reason.and_then(template_of);
        let template = template.filter(|template| !template.contains("{why}"));
        return template.map_or_else(
            || reason.unwrap_or("(unknown)").to_owned(),
            |template| fill(template, finding),
        );
    }
    let (name, noun) = match placeholder.split_once('|') {
        Some((name, noun)) => (name, Some(noun)),
        None => (placeholder, None),
    };
    let value = match name {
        "subject" => subject(&finding.subject),
        // A fact that is missing shows: a sentence without it would say something else.
        _ => finding.evidence.get(name).unwrap_or("(unknown)"),
    };
    match noun {
        None => value.to_owned(),
        Some(noun) if value == "1" => format!("1 {noun}"),
        Some(noun) => format!("{value} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use reseat::model::finding::id;
    #[cfg(feature = "operator")]
    use reseat::model::finding::{Id, Remedy};

    use super::*;

    #[test]
    fn a_sentence_is_filled_with_subject_and_facts() {
        let finding =
            Finding::error(id::FILE_UNREADABLE, Subject::file("/proc/cmdline")).with("cause", "permission denied");
        assert_eq!(sentence(&finding), "cannot read /proc/cmdline: permission denied");
        assert_eq!(
            line(&finding.remedy(id::RUN_AS_ROOT)),
            "cannot read /proc/cmdline: permission denied; run as root"
        );
        let counted = |count| {
            fill(
                "{count|virtual function}",
                &Finding::note(id::FILE_UNREADABLE, Subject::machine()).with("count", count),
            )
        };
        assert_eq!(
            (counted(1), counted(2)),
            ("1 virtual function".to_owned(), "2 virtual functions".to_owned())
        );
    }

    #[test]
    fn what_led_to_a_finding_is_told_with_it_and_a_fact_may_be_left_out() {
        let sign = Finding::refusal(
            id::DISPLAY_FRAMEBUFFER,
            Subject::function("0000:01:00.0".parse().unwrap()),
        );
        let sign = sign.with("framebuffer", "efi-framebuffer.0");
        let only = sign.clone().leads_to(id::ONLY_DISPLAY);
        assert_eq!(
            sentence(&only),
            "it is the only display of this machine (the firmware's framebuffer (efi-framebuffer.0) is in the memory of \
             0000:01:00.0)"
        );
        assert!(sentence(&sign.with("driver", "efifb")).contains("(efi-framebuffer.0 on driver efifb)"));
    }

    #[test]
    fn a_finding_that_is_its_own_reason_comes_to_an_end() {
        let finding = Finding::refusal(id::ONLY_DISPLAY, Subject::machine()).with("why", "only-display");
        assert_eq!(
            sentence(&finding),
            "it is the only display of this machine (only-display)"
        );
    }

    #[cfg(feature = "operator")]
    #[test]
    fn in_json_a_finding_has_its_sentence_and_steps_behind_its_fields() {
        let finding = Finding::error(id::FILE_UNREADABLE, Subject::file("/x"))
            .with("cause", "permission denied")
            .remedy(id::RUN_AS_ROOT);
        let json = json(&finding);
        assert_eq!(serde_json::from_value::<Finding>(json.clone()).unwrap(), finding);
        assert_eq!(json["message"], "cannot read /x: permission denied");
        assert_eq!(json["help"], serde_json::json!(["run as root"]));
        let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            ["id", "severity", "subject", "evidence", "remedy", "message", "help"]
        );
    }

    #[cfg(feature = "operator")]
    #[test]
    fn every_finding_has_a_sentence_and_every_way_out_its_steps() {
        for id in id::ALL.iter().flat_map(|area| area.iter()) {
            assert!(template_of(id.as_str()).is_some(), "{id} has no sentence");
        }
        for remedy in id::REMEDIES.iter().flat_map(|area| area.iter()) {
            assert!(
                find(STEPS, remedy.as_str()).is_some_and(|steps| !steps.is_empty()),
                "{remedy:?} has no steps"
            );
        }
    }

    #[cfg(feature = "operator")]
    #[test]
    fn every_finding_and_every_way_out_is_in_the_documentation() {
        let page = include_str!("../../../docs/findings.md");
        let ids = id::ALL.iter().flat_map(|area| area.iter()).map(Id::as_str);
        let remedies = id::REMEDIES.iter().flat_map(|area| area.iter()).map(Remedy::as_str);
        for name in ids.chain(remedies) {
            assert!(
                page.contains(&format!("| `{name}` |")),
                "docs/findings.md has no row for `{name}`"
            );
        }
    }
}

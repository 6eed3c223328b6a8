//! JSON of documents that hold findings: each gets its sentence and the steps that help.

use reseat::model::finding::Finding;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::words;

/// The document as JSON. Every finding in it has its sentence as `message` and the steps that help as `help`.
///
/// # Errors
/// When the document has no JSON form.
pub(crate) fn explained(document: &impl Serialize) -> serde_json::Result<String> {
    let mut value = serde_json::to_value(document)?;
    explain(&mut value);
    serde_json::to_string_pretty(&value)
}

fn explain(value: &mut Value) {
    let finding = match value {
        Value::Object(fields) if ["id", "severity", "subject"].iter().all(|it| fields.contains_key(*it)) => {
            Finding::deserialize(&*value).ok()
        }
        _ => None,
    };
    match (value, finding) {
        (Value::Object(fields), Some(finding)) => {
            fields.insert("message".to_owned(), words::sentence(&finding).into());
            fields.insert("help".to_owned(), words::steps(&finding).into());
        }
        (Value::Object(fields), None) => fields.values_mut().for_each(explain),
        (Value::Array(items), _) => items.iter_mut().for_each(explain),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use reseat::model::finding::{Subject, id};

    use super::*;

    #[test]
    fn a_finding_gets_its_sentence_and_its_steps_wherever_it_stands() {
        let finding = Finding::error(id::FILE_UNREADABLE, Subject::file("/x")).with("cause", "denied");
        let document = serde_json::json!({"gpus": [{"problem": finding.remedy(id::RUN_AS_ROOT)}], "problem": null});
        let explained: Value = serde_json::from_str(&explained(&document).unwrap()).unwrap();
        let problem = &explained["gpus"][0]["problem"];
        assert_eq!(problem["message"], "cannot read /x: denied");
        assert_eq!(problem["help"], serde_json::json!(["run as root"]));
        assert!(explained["problem"].is_null());
    }
}

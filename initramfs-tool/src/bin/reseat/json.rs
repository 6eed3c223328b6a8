//! Output for programs: documents, and streams with one event a line.
//!
//! Findings in them get their sentence and their steps here, wherever they stand.

use std::io::{self, Write};

use reseat::model::finding::Finding;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::messages;

/// Writes a document.
pub(crate) fn document(output: &mut impl Write, document: &impl Serialize) -> io::Result<()> {
    writeln!(output, "{:#}", with_messages(document)?)
}

/// Writes an event, or an error, on a line of its own.
pub(crate) fn line(output: &mut impl Write, event: &impl Serialize) -> io::Result<()> {
    writeln!(output, "{}", with_messages(event)?)
}

fn with_messages(document: &impl Serialize) -> serde_json::Result<Value> {
    let mut value = serde_json::to_value(document)?;
    add_messages(&mut value);
    Ok(value)
}

/// Gives every finding in a document its sentence and its steps.
fn add_messages(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(add_messages),
        Value::Object(fields) if fields.contains_key("evidence") && fields.contains_key("severity") => {
            if let Ok(finding) = Finding::deserialize(&*value) {
                *value = messages::json(&finding);
            }
        }
        Value::Object(fields) => fields.values_mut().for_each(add_messages),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use reseat::model::finding::{Subject, id};

    use super::*;

    #[test]
    fn findings_get_their_words_wherever_they_stand() {
        #[derive(Serialize)]
        struct Document {
            schema: &'static str,
            gpus: Vec<Vec<Finding>>,
        }
        let finding = Finding::error(id::FILE_UNREADABLE, Subject::file("/x")).with("cause", "no such file");
        let mut output = Vec::new();
        let printed = Document {
            schema: "x/1",
            gpus: vec![vec![finding.clone()]],
        };
        line(&mut output, &printed).unwrap();
        let text = String::from_utf8(output).unwrap();
        assert_eq!(text.lines().count(), 1);
        let expected = serde_json::json!({"schema": "x/1", "gpus": [[messages::json(&finding)]]});
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    }
}
